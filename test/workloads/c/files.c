// Does with files in a folder what programs do, checking each result: files FOLDER
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void check(int good, const char *what) {
  if (good) {
    printf("ok %s\n", what);
    return;
  }
  fprintf(stderr, "files: %s: %s\n", what, strerror(errno));
  exit(1);
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: files FOLDER\n");
    return 2;
  }
  char folder[1024], first[1100], second[1100];
  snprintf(folder, sizeof folder, "%s/files-test", argv[1]);
  snprintf(first, sizeof first, "%s/first", folder);
  snprintf(second, sizeof second, "%s/second", folder);

  check(mkdir(folder, 0777) == 0, "mkdir");
  int file = open(first, O_CREAT | O_EXCL | O_RDWR, 0666);
  check(file >= 0, "create");
  check(write(file, "hello, file", 11) == 11, "write");
  check(lseek(file, 7, SEEK_SET) == 7, "seek");
  char buffer[16] = {0};
  check(read(file, buffer, sizeof buffer) == 4 && memcmp(buffer, "file", 4) == 0, "read");
  check(pread(file, buffer, 5, 0) == 5 && memcmp(buffer, "hello", 5) == 0, "pread");
  check(ftruncate(file, 5) == 0, "truncate");
  struct stat status;
  check(fstat(file, &status) == 0 && status.st_size == 5 && S_ISREG(status.st_mode), "fstat");
  check(close(file) == 0, "close");
  check(open(first, O_CREAT | O_EXCL | O_RDWR, 0666) < 0 && errno == EEXIST, "exclusive create refuses");
  check(rename(first, second) == 0, "rename");
  check(stat(first, &status) != 0 && errno == ENOENT, "old name is gone");
  check(stat(second, &status) == 0 && status.st_size == 5, "stat");

  file = open(second, O_WRONLY | O_APPEND);
  check(file >= 0 && write(file, "!", 1) == 1 && close(file) == 0, "append");
  check(stat(second, &status) == 0 && status.st_size == 6, "appended size");

  DIR *entries = opendir(folder);
  check(entries != NULL, "opendir");
  int found = 0, others = 0;
  for (struct dirent *entry; (entry = readdir(entries));) {
    if (strcmp(entry->d_name, "second") == 0) found++;
    else if (entry->d_name[0] != '.') others++;
  }
  check(found == 1 && others == 0, "readdir");
  check(closedir(entries) == 0, "closedir");
  check(rmdir(folder) != 0 && errno == ENOTEMPTY, "rmdir refuses");
  check(unlink(second) == 0, "unlink");
  check(rmdir(folder) == 0, "rmdir");
  printf("all good\n");
  return 0;
}
