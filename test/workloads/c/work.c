// Does a little of everything that programs do, and says what came out: work FOLDER [ARGUMENT...]; work trap
// The other languages' programs of this name print the same lines: test/corpus/corpus.ts.
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { COUNT = 10000 };

static const char *yes(int is) { return is ? "yes" : "no"; }

static double seconds(clockid_t clock) {
  struct timespec time;
  if (clock_gettime(clock, &time) != 0) exit(1);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void clocks(void) {
  double begin = seconds(CLOCK_MONOTONIC);
  nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
  printf("clocks: past 2020 %s, slept %s\n", yes(seconds(CLOCK_REALTIME) > 1577836800),
         yes(seconds(CLOCK_MONOTONIC) - begin >= 0.005));
}

static void randoms(void) {
  unsigned char first[32], second[32];
  if (getentropy(first, sizeof first) != 0 || getentropy(second, sizeof second) != 0) exit(1);
  printf("random: differs %s\n", yes(memcmp(first, second, sizeof first) != 0));
}

static int ascending(const void *left, const void *right) {
  uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
  return (a > b) - (a < b);
}

static void sorting(void) {
  static uint32_t numbers[COUNT];
  uint32_t state = 1, hash = 2166136261u;
  for (int i = 0; i < COUNT; i++) numbers[i] = state = state * 1664525u + 1013904223u;
  qsort(numbers, COUNT, sizeof *numbers, ascending);
  for (int i = 0; i < COUNT; i++) hash = (hash ^ numbers[i]) * 16777619u;
  printf("sorted: %u %u %u %08x\n", numbers[0], numbers[COUNT / 2], numbers[COUNT - 1], hash);
}

static void floats(void) {
  double sum = 0;
  for (int i = 1; i <= COUNT; i++) sum += sqrt(i) / ((double)i * i);
  printf("floats: %.12f %.6f\n", sum, sin(1) * exp(1));
}

static void list(const char *folder) {
  struct dirent **entries;
  int count = scandir(folder, &entries, NULL, alphasort);
  printf("folder:");
  for (int i = 0; i < count; i++) {
    if (entries[i]->d_name[0] != '.') printf(" %s%s", entries[i]->d_name, entries[i]->d_type == DT_DIR ? "/" : "");
  }
  printf("\n");
}

static void write_file(const char *path, const char *mode, const char *text) {
  FILE *file = fopen(path, mode);
  if (!file || fputs(text, file) < 0 || fclose(file) != 0) exit(1);
}

static void files(const char *folder) {
  if (chdir(folder) != 0 || mkdir("c", 0777) != 0) exit(1);
  write_file("b.txt", "w", "first line\n");
  write_file("b.txt", "a", "second line\n");
  write_file("c/old.txt", "w", "0123456789");
  if (rename("c/old.txt", "a.txt") != 0) exit(1);
  list(".");
  struct stat status;
  char text[5] = "";
  FILE *file = fopen("a.txt", "r");
  if (stat("b.txt", &status) != 0 || !file || fseek(file, 3, SEEK_SET) != 0 || fread(text, 1, 4, file) != 4) exit(1);
  fclose(file);
  int missing = stat("missing", &status) != 0 && errno == ENOENT;
  stat("b.txt", &status);
  printf("files: %d bytes, reads %s, missing %s\n", (int)status.st_size, text, yes(missing));
  if (rmdir("c") != 0 || unlink("a.txt") != 0) exit(1);
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "trap") == 0) __builtin_trap();
  if (argc < 2) return 2;
  printf("arguments:");
  for (int i = 2; i < argc; i++) printf(" [%s]", argv[i]);
  const char *greeting = getenv("GREETING");
  printf("\nGREETING: %s\n", greeting ? greeting : "");
#ifdef __EMSCRIPTEN__
  // Without JavaScript its modules have neither random numbers nor files, and sleep by asking for a CPU's time, which
  // wasmtime does not tell.
  (void)clocks, (void)randoms, (void)files;
#else
  clocks();
  randoms();
#endif
  sorting();
  floats();
#ifndef __EMSCRIPTEN__
  files(argv[1]);
#endif
  fprintf(stderr, "to standard error\n");
  return 3;
}
