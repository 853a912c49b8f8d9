// Does what its arguments say, one after the other, and exits with 0: steps STEP...
//   print=TEXT       a line to standard output
//   write=PATH=TEXT  a file with the text, made anew
//   fill=PATH=BYTES  a file of so many letters, made anew
//   show=PATH        the file, to standard output
//   sleep=MS         waits so many milliseconds
//   once=PATH        exits with 0 if the file is there, and makes it
//   exit=CODE        exits with the code
//   first=PATH=CODE  exits with the code if the file is not there, and makes it
//   trap=            executes an unreachable instruction
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void give_up(const char *what) {
  fprintf(stderr, "steps: %s: %s\n", what, strerror(errno));
  exit(1);
}

static FILE *open_file(const char *path, const char *mode) {
  FILE *file = fopen(path, mode);
  if (!file) give_up(path);
  return file;
}

static void show(const char *path) {
  FILE *file = open_file(path, "r");
  for (int letter; (letter = fgetc(file)) != EOF;) putchar(letter);
  fclose(file);
}

static void fill(const char *path, long bytes) {
  FILE *file = open_file(path, "w");
  for (long i = 0; i < bytes; i++) fputc('a' + i % 26, file);
  if (fclose(file) != 0) give_up(path);
}

static void write_text(const char *path, const char *text) {
  FILE *file = open_file(path, "w");
  fputs(text, file);
  if (fclose(file) != 0) give_up(path);
}

static void wait_for(long milliseconds) {
  struct timespec pause = {milliseconds / 1000, (milliseconds % 1000) * 1000000};
  while (nanosleep(&pause, &pause) != 0 && errno == EINTR) continue;
}

static void exit_if(int condition, int code) {
  if (condition) exit(code);
}

static void perform(const char *step, char *first, char *second) {
  if (strcmp(step, "print") == 0) puts(first);
  else if (strcmp(step, "write") == 0) write_text(first, second);
  else if (strcmp(step, "fill") == 0) fill(first, atol(second));
  else if (strcmp(step, "show") == 0) show(first);
  else if (strcmp(step, "sleep") == 0) wait_for(atol(first));
  else if (strcmp(step, "exit") == 0) exit(atoi(first));
  else if (strcmp(step, "trap") == 0) __builtin_trap();
  else if (strcmp(step, "once") == 0 || strcmp(step, "first") == 0) {
    int there = access(first, F_OK) == 0;
    if (!there) write_text(first, "");
    if (strcmp(step, "once") == 0) exit_if(there, 0);
    else exit_if(!there, atoi(second));
  } else {
    fprintf(stderr, "steps: no step %s\n", step);
    exit(2);
  }
  fflush(stdout);
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    char *first = strchr(argv[i], '=');
    if (!first) {
      fprintf(stderr, "usage: steps STEP=VALUE...\n");
      return 2;
    }
    *first++ = '\0';
    // Only the steps that take a path and something else are split again: texts may hold a '='.
    int two = strcmp(argv[i], "write") == 0 || strcmp(argv[i], "fill") == 0 || strcmp(argv[i], "first") == 0;
    char *second = two ? strchr(first, '=') : NULL;
    if (second) *second++ = '\0';
    else second = "";
    perform(argv[i], first, second);
  }
  return 0;
}
