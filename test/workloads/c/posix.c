// Shows what wasmlet_posix_v1 tells (docs/wasi-posix.md), step by step:
//   ids               who the guest is, and its host name
//   stat=PATH         mode (octal), uid and gid
//   create=PATH       creates a file
//   write=PATH        opens a file to write to it
//   read=PATH         prints a file
//   chmod=MODE:PATH   sets permissions (octal)
//   umask=MASK        sets the mask (octal)
//   fs=PATH           whether the file system is a tmpfs, and whether the mount is read-only
//   pipe=TEXT         sends a text through a pipe
//   term=CODE         takes SIGTERM itself: waits for it, says so, and exits with the code
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wasi/api.h>

#define IMPORT(name) __attribute__((import_module("wasmlet_posix_v1"), import_name(#name))) extern uint32_t posix_##name
#define ROOT 3
#define FOLLOW 1
#define TMPFS 0x01021994

struct posix_stat {
  uint64_t dev, ino, nlink, rdev, size, blocks, atim, mtim, ctim;
  uint32_t mode, uid, gid, blksize;
};
struct posix_statfs {
  uint64_t type, bsize, blocks, bfree, bavail, files, ffree, flags;
};

IMPORT(path_stat)(uint32_t fd, uint32_t lookup, const char *path, size_t length, struct posix_stat *out);
IMPORT(path_chmod)(uint32_t fd, uint32_t lookup, const char *path, size_t length, uint32_t mode);
IMPORT(path_statfs)(uint32_t fd, uint32_t lookup, const char *path, size_t length, struct posix_statfs *out);
IMPORT(umask)(uint32_t mask, uint32_t *old);
IMPORT(ids_get)(uint32_t ids[4]);
IMPORT(groups_get)(uint32_t *groups, size_t capacity, uint32_t *count);
IMPORT(hostname_get)(char *name, size_t size, uint32_t *length);
IMPORT(fd_pipe)(uint32_t *reader, uint32_t *writer);
IMPORT(signal_subscribe)(uint64_t set, uint64_t *old);
IMPORT(signal_take)(uint32_t *signal);

_Static_assert(sizeof(struct posix_stat) == 88, "stat");
_Static_assert(sizeof(struct posix_statfs) == 64, "statfs");

static int failed(const char *step, uint32_t error) {
  printf("%s: %s\n", step, strerror(error));
  return 0;
}

static int ids(void) {
  uint32_t ids[4], groups[64], count, length;
  char name[256];
  if (posix_ids_get(ids) || posix_groups_get(groups, 64, &count) || posix_hostname_get(name, sizeof name, &length)) {
    return 1;
  }
  printf("uid=%u euid=%u gid=%u egid=%u groups=", ids[0], ids[1], ids[2], ids[3]);
  for (uint32_t index = 0; index < count; index++) printf("%s%u", index ? "," : "", groups[index]);
  printf(" host=%.*s\n", (int)length, name);
  return 0;
}

// A path of the guest as one below the root's descriptor.
static const char *below_root(const char *path) { return path[1] ? path + 1 : "."; }

static int show(const char *path) {
  struct posix_stat status;
  const char *relative = below_root(path);
  uint32_t error = posix_path_stat(ROOT, FOLLOW, relative, strlen(relative), &status);
  if (error) return failed(path, error);
  printf("%s %o %u %u\n", path, status.mode, status.uid, status.gid);
  return 0;
}

static int open_file(const char *path, int flags) {
  int file = open(path, flags, 0666);
  if (file < 0) return failed(path, errno);
  char buffer[4096];
  ssize_t length = flags == O_RDONLY ? read(file, buffer, sizeof buffer) : 0;
  printf("%s: %.*s\n", path, length > 0 ? (int)length : 2, length > 0 ? buffer : "ok");
  close(file);
  return 0;
}

static int change_mode(const char *argument) {
  char *path;
  uint32_t mode = strtoul(argument, &path, 8);
  const char *relative = below_root(++path);
  uint32_t error = posix_path_chmod(ROOT, FOLLOW, relative, strlen(relative), mode);
  return error ? failed(path, error) : show(path);
}

static int file_system(const char *path) {
  struct posix_statfs status;
  const char *relative = below_root(path);
  uint32_t error = posix_path_statfs(ROOT, FOLLOW, relative, strlen(relative), &status);
  if (error) return failed(path, error);
  printf("%s %s %s\n", path, status.type == TMPFS ? "tmpfs" : "other", status.flags & 1 ? "ro" : "rw");
  return 0;
}

static int through_pipe(const char *text) {
  uint32_t reader, writer;
  char buffer[256];
  uint32_t error = posix_fd_pipe(&reader, &writer);
  if (error) return failed("pipe", error);
  write(writer, text, strlen(text));
  close(writer);
  ssize_t length = read(reader, buffer, sizeof buffer);
  printf("pipe: %.*s, then %zd\n", (int)length, buffer, read(reader, buffer, sizeof buffer));
  close(reader);
  return 0;
}

static int wait_for_term(int code) {
  uint32_t signal = 0;
  if (posix_signal_subscribe(1ull << 15, 0)) return 1;
  printf("ready\n");
  fflush(stdout);
  while (signal != 15) {
    if (sleep(3600) == 0) return 1;
    posix_signal_take(&signal);
  }
  printf("cleaned up\n");
  exit(code);
}

static int step(const char *text) {
  const char *equals = strchr(text, '=');
  const char *value = equals ? equals + 1 : "";
  size_t length = equals ? (size_t)(equals - text) : strlen(text);
#define IS(name) (length == sizeof name - 1 && memcmp(text, name, length) == 0)
  if (IS("ids")) return ids();
  if (IS("stat")) return show(value);
  if (IS("create")) return open_file(value, O_CREAT | O_EXCL | O_WRONLY);
  if (IS("write")) return open_file(value, O_WRONLY);
  if (IS("read")) return open_file(value, O_RDONLY);
  if (IS("chmod")) return change_mode(value);
  if (IS("umask")) return (int)posix_umask(strtoul(value, 0, 8), &(uint32_t){0});
  if (IS("fs")) return file_system(value);
  if (IS("pipe")) return through_pipe(value);
  if (IS("term")) return wait_for_term(atoi(value));
  fprintf(stderr, "posix: no step %s\n", text);
  return 2;
}

int main(int argc, char **argv) {
  for (int index = 1; index < argc; index++) {
    int result = step(argv[index]);
    if (result) return result;
  }
  return 0;
}
