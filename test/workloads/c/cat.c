// Prints each file named, and of each folder the sorted names of its entries: cat PATH...
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int visible(const struct dirent *entry) {
  return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int list(const char *path) {
  struct dirent **entries;
  int count = scandir(path, &entries, visible, alphasort);
  if (count < 0) return -1;
  for (int i = 0; i < count; i++) printf("%s\n", entries[i]->d_name);
  return 0;
}

static int print(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) return -1;
  char buffer[4096];
  size_t length;
  while ((length = fread(buffer, 1, sizeof buffer, file)) > 0) fwrite(buffer, 1, length, stdout);
  int failed = ferror(file);
  fclose(file);
  return failed ? -1 : 0;
}

int main(int argc, char **argv) {
  int failures = 0;
  for (int i = 1; i < argc; i++) {
    struct stat status;
    int folder = stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode);
    if ((folder ? list(argv[i]) : print(argv[i])) != 0) {
      fprintf(stderr, "cat: %s: %s\n", argv[i], strerror(errno));
      failures++;
    }
    fflush(stdout);
  }
  return failures ? 1 : 0;
}
