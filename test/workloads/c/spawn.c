// Runs a program as a child, with its standard output through a pipe, and tells what it wrote and how it ended:
// spawn [-HOW] PROGRAM [ARGUMENT...]
// -k sends it SIGTERM once it has written, -p looks for its end in a loop, -h tries signals that do not exist or would
// halt it before, -d asks for a descriptor that there cannot be, -m starts it until no more are started.
// Called as child-*, it is the child: what follows the hyphen says what it does.
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POSIX(name) __attribute__((import_module("wasmlet_posix_v1"), import_name(#name)))
POSIX(proc_spawn)
uint32_t proc_spawn(const char *args, size_t args_length, const char *env, size_t env_length, const char *dir,
                    size_t dir_length, const uint32_t *pairs, size_t pair_count, uint32_t *pid);
POSIX(proc_wait) uint32_t proc_wait(uint32_t pid, uint32_t flags, uint32_t *ended, uint32_t *code);
POSIX(proc_signal) uint32_t proc_signal(uint32_t pid, uint32_t signal);
POSIX(proc_id) uint32_t proc_id(uint32_t *pid);
POSIX(proc_parent) uint32_t proc_parent(uint32_t pid, uint32_t *parent);
POSIX(fd_pipe) uint32_t fd_pipe(uint32_t *reader, uint32_t *writer);

#define ANY UINT32_MAX
#define NO_HANG 1
#define SIGTERM_NUMBER 15
#define SIGSTOP_NUMBER 18

static int child(int count, char **args) {
  uint32_t pid = 0, parent = 0;
  proc_id(&pid);
  proc_parent(pid, &parent);
  printf("child %u of %u: %s %s\n", pid, parent, count > 1 ? args[1] : "-", getenv("WORD") ?: "-");
  fflush(stdout);
  const char *what = strchr(args[0], '-') + 1;
  if (strcmp(what, "trap") == 0) __builtin_trap();
  if (strcmp(what, "sleep") == 0) sleep(3600);
  FILE *file = fopen("/tmp/from-child", "w");
  if (file) fclose(file);
  return 7;
}

int main(int count, char **args) {
  if (strchr(args[0], '-')) return child(count, args);
  int first = count > 1 && args[1][0] == '-' ? 2 : 1;
  char how = first == 2 ? args[1][1] : 0;
  char strings[1024];
  size_t length = 0;
  for (int index = first; index < count; index++) {
    memcpy(strings + length, args[index], strlen(args[index]) + 1);
    length += strlen(args[index]) + 1;
  }
  uint32_t reader, writer, pid = 0, ended = 0, code = 0;
  fd_pipe(&reader, &writer);
  uint32_t pairs[] = {how == 'd' ? 100000 : 1, writer, 2, 2};
  const char env[] = "PATH=/bin\0WORD=word";
  uint32_t error = proc_spawn(strings, length, env, sizeof env, "/", 1, pairs, 2, &pid);
  if (error) {
    printf("not started: %s\n", strerror(error));
    return 1;
  }
  if (how == 'm') {
    int started = 1;
    do error = proc_spawn(strings, length, env, sizeof env, "/", 1, pairs, 2, &pid);
    while (error == 0 && ++started < 1000);
    printf("%d started, then: %s\n", started, strerror(error));
    return 0;
  }
  close(writer);
  char text[256];
  ssize_t got = read(reader, text, sizeof text);
  printf("it wrote: %.*s", (int)got, text);
  if (how == 'h') {
    printf("no signal: %s\n", strerror(proc_signal(pid, 99)));
    printf("halted: %s\n", strerror(proc_signal(pid, SIGSTOP_NUMBER)));
  }
  if (how == 'k') printf("it runs: %d\n", proc_wait(pid, NO_HANG, &ended, &code) == 0 && ended == 0);
  if (how == 'k' || how == 'h') printf("signalled: %u\n", proc_signal(pid, SIGTERM_NUMBER));
  if (how == 'p') while (proc_wait(pid, NO_HANG, &ended, &code) == 0 && ended == 0) continue;
  else printf("waited: %u\n", proc_wait(ANY, 0, &ended, &code));
  printf("it was %s, and ended with %u\n", ended == pid ? "that one" : "another", code);
  printf("again: %s\n", strerror(proc_wait(ANY, 0, &ended, &code)));
  printf("after the end: %zd\n", read(reader, text, sizeof text));
  printf("its file: %s\n", access("/tmp/from-child", F_OK) == 0 ? "there" : "missing");
  return 0;
}
