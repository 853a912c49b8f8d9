// What calls of WASI cost: calls FOLDER. Prints a line for each kind: its name and nanoseconds per call in the best of many
// rounds, each short enough to come to pass without the machine doing something else meanwhile.
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SMALL = 64, LARGE = 65536, ROUNDS = 300, ENTRIES = 100 };

static char buffer[LARGE];
static int null, file;

static void need(int good) {
  if (good) return;
  perror("calls");
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void clock_call(void) {
  struct timespec time;
  need(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
}
static void random_small(void) { need(getentropy(buffer, SMALL) == 0); }
static void null_small(void) { need(write(null, buffer, SMALL) == SMALL); }
static void null_large(void) { need(write(null, buffer, LARGE) == LARGE); }
static void file_write_small(void) { need(pwrite(file, buffer, SMALL, 0) == SMALL); }
static void file_write_large(void) { need(pwrite(file, buffer, LARGE, 0) == LARGE); }
static void file_read_small(void) { need(pread(file, buffer, SMALL, 0) == SMALL); }
static void file_read_large(void) { need(pread(file, buffer, LARGE, 0) == LARGE); }
static void seek(void) { need(lseek(file, 0, SEEK_SET) == 0); }
static void open_read_close(void) {
  int each = open("file", O_RDONLY);
  need(each >= 0 && read(each, buffer, SMALL) == SMALL && close(each) == 0);
}
static void stat_path(void) {
  struct stat status;
  need(stat("file", &status) == 0 && status.st_size == LARGE);
}
static void list(void) {
  DIR *folder = opendir("folder");
  need(folder != NULL);
  int count = 0;
  while (readdir(folder)) count++;
  need(closedir(folder) == 0 && count >= ENTRIES);
}
static void make_remove(void) {
  int each = open("new", O_CREAT | O_WRONLY, 0666);
  need(each >= 0 && close(each) == 0 && unlink("new") == 0);
}

static const struct {
  const char *name;
  void (*call)(void);
  int times;
} CALLS[] = {
    {"clock_time_get", clock_call, 1000},
    {"random_get/64", random_small, 200},
    {"fd_write/null/64", null_small, 200},
    {"fd_write/null/65536", null_large, 100},
    {"fd_pwrite/64", file_write_small, 50},
    {"fd_pwrite/65536", file_write_large, 20},
    {"fd_pread/64", file_read_small, 50},
    {"fd_pread/65536", file_read_large, 20},
    {"fd_seek", seek, 500},
    {"open+read+close", open_read_close, 10},
    {"path_filestat_get", stat_path, 50},
    {"list/100", list, 1},
    {"create+close+unlink", make_remove, 5},
};

int main(int argc, char **argv) {
  need(argc == 2 && chdir(argv[1]) == 0);
  need((null = open("/dev/null", O_WRONLY)) >= 0);
  need((file = open("file", O_CREAT | O_RDWR, 0666)) >= 0 && pwrite(file, buffer, LARGE, 0) == LARGE);
  need(mkdir("folder", 0777) == 0);
  for (int i = 0; i < ENTRIES; i++) {
    char name[32];
    snprintf(name, sizeof name, "folder/%d", i);
    int each = open(name, O_CREAT | O_WRONLY, 0666);
    need(each >= 0 && close(each) == 0);
  }
  for (size_t kind = 0; kind < sizeof CALLS / sizeof *CALLS; kind++) {
    double best = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
      double begin = now();
      for (int i = 0; i < CALLS[kind].times; i++) CALLS[kind].call();
      double each = (now() - begin) / CALLS[kind].times;
      if (each < best) best = each;
    }
    printf("%s %.1f\n", CALLS[kind].name, best);
  }
  return 0;
}
