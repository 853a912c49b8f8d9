// Takes what the node has: hog memory MEBIBYTES | hog disk FILE MEBIBYTES | hog files FOLDER COUNT (made and kept open).
// Tells when it has it, or what it has and why it gets no more, and sleeps.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MEBIBYTE = 1 << 20 };

static int take_memory(int mebibytes) {
  for (int i = 0; i < mebibytes; i++) {
    // Volatile, so that the compiler does not find that nobody reads it.
    volatile char *block = malloc(MEBIBYTE);
    if (!block) {
      fprintf(stderr, "hog: no more than %d MiB\n", i);
      return 1;
    }
    for (int at = 0; at < MEBIBYTE; at += 512) block[at] = 1;
  }
  return 0;
}

static int take_disk(const char *path, int mebibytes) {
  static char block[MEBIBYTE];
  memset(block, 'x', sizeof block);
  FILE *file = fopen(path, "w");
  for (int i = 0; file && i < mebibytes; i++) {
    if (fwrite(block, sizeof block, 1, file) != 1) break;
  }
  if (file && !ferror(file) && fflush(file) == 0) return 0;
  fprintf(stderr, "hog: %s: %s\n", path, strerror(errno));
  return 1;
}

static int take_files(const char *folder, int count) {
  char path[256];
  for (int i = 0; i < count; i++) {
    snprintf(path, sizeof path, "%s/%d", folder, i);
    if (open(path, O_CREAT | O_RDWR, 0644) >= 0) continue;
    printf("%d files, then %s\n", i, errno == EMFILE ? "EMFILE" : strerror(errno));
    break;
  }
  return 0;
}

int main(int argc, char **argv) {
  int failed = 2;
  if (argc == 3 && strcmp(argv[1], "memory") == 0) failed = take_memory(atoi(argv[2]));
  if (argc == 4 && strcmp(argv[1], "disk") == 0) failed = take_disk(argv[2], atoi(argv[3]));
  if (argc == 4 && strcmp(argv[1], "files") == 0) failed = take_files(argv[2], atoi(argv[3]));
  if (failed) return failed;
  printf("taken\n");
  fflush(stdout);
  sleep(3600);
  return 0;
}
