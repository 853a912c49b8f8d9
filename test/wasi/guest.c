// A guest that calls the file functions of WASI Preview 1 at random: `guest SEED STEPS`. What it does depends on the
// seed and on the answers alone, and it prints each answer, so two hosts that print the same behave the same.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasi/api.h>

#define SLOTS 6
#define BUFFER 512
#define ROOT 3
#define NONE (-1)

static unsigned long long state;
static int slots[SLOTS];
static unsigned char bytes[BUFFER];

static unsigned random_below(unsigned limit) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (unsigned)(state >> 33) % limit;
}

static int chance(unsigned percent) { return random_below(100) < percent; }

static const char *const NAMES[] = {"a", "b", "c", "d", "e", "lnk"};
static const char *const ODD[] = {"", ".", "/", "/a", "a/", "b/.", "./a", "a//b", "a/../b", "a/..", "d/./c", "lnk/"};

/// Most are plain; some have a directory before them; few are odd.
static const char *random_path(char *into) {
  unsigned kind = random_below(20);
  if (kind == 0) return ODD[random_below(sizeof ODD / sizeof *ODD)];
  const char *first = NAMES[random_below(6)];
  if (kind < 9) snprintf(into, 64, "%s/%s", first, NAMES[random_below(6)]);
  else if (kind < 11) snprintf(into, 64, "%s/%s/%s", first, NAMES[random_below(6)], NAMES[random_below(6)]);
  else snprintf(into, 64, "%s", first);
  return into;
}

static int random_slot(void) { return (int)random_below(SLOTS); }

static int is_directory(__wasi_fd_t fd) {
  __wasi_fdstat_t fdstat;
  return __wasi_fd_fdstat_get(fd, &fdstat) == 0 && fdstat.fs_filetype == __WASI_FILETYPE_DIRECTORY;
}

/// The root, or a directory that is open.
static __wasi_fd_t random_base(void) {
  int slot = random_slot();
  return chance(70) || slots[slot] == NONE || !is_directory((__wasi_fd_t)slots[slot]) ? ROOT : (__wasi_fd_t)slots[slot];
}
static __wasi_lookupflags_t random_lookup(void) { return chance(50) ? __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW : 0; }
static unsigned checksum(const void *at, size_t length) {
  unsigned sum = 2166136261u;
  for (size_t i = 0; i < length; i++) sum = (sum ^ ((const unsigned char *)at)[i]) * 16777619u;
  return sum;
}

/// Ends in a slash or a dot, where wasmtime judges symbolic links otherwise than Linux.
static int ends_oddly(const char *path) {
  size_t length = strlen(path);
  return length > 0 && (path[length - 1] == '/' || path[length - 1] == '.');
}

static void open_path(void) {
  char text[64];
  int slot = random_slot();
  __wasi_fd_t base = random_base();
  const char *path = random_path(text);
  __wasi_lookupflags_t lookup = random_lookup();
  __wasi_oflags_t oflags = 0;
  if (chance(50) && !ends_oddly(path)) oflags |= __WASI_OFLAGS_CREAT;
  if (chance(15)) oflags |= __WASI_OFLAGS_DIRECTORY;
  if (chance(15)) oflags |= __WASI_OFLAGS_EXCL;
  if (chance(15)) oflags |= __WASI_OFLAGS_TRUNC;
  __wasi_rights_t rights = 0x0fffffffULL & ~(__WASI_RIGHTS_FD_WRITE | __WASI_RIGHTS_FD_READ);
  // wasmtime takes creating and cutting off for the right to write, which we do not.
  if (chance(60) || (oflags & (__WASI_OFLAGS_CREAT | __WASI_OFLAGS_TRUNC))) rights |= __WASI_RIGHTS_FD_WRITE;
  if (chance(85) || !(rights & __WASI_RIGHTS_FD_WRITE)) rights |= __WASI_RIGHTS_FD_READ;
  __wasi_fdflags_t fdflags = chance(15) ? __WASI_FDFLAGS_APPEND : 0;
  if (slots[slot] != NONE) {
    __wasi_errno_t closed = __wasi_fd_close((__wasi_fd_t)slots[slot]);
    printf("(close %d) ", closed);
    slots[slot] = NONE;
  }
  __wasi_fd_t fd = 0;
  __wasi_errno_t error = __wasi_path_open(base, lookup, path, oflags, rights, 0x0fffffff, fdflags, &fd);
  if (error == 0) slots[slot] = (int)fd;
  printf("open base=%s '%s' lookup=%d oflags=%d read=%d write=%d append=%d -> %d", base == ROOT ? "root" : "slot", path,
         lookup, oflags, (rights & __WASI_RIGHTS_FD_READ) != 0, (rights & __WASI_RIGHTS_FD_WRITE) != 0, fdflags, error);
}

static void print_stat(__wasi_errno_t error, const __wasi_filestat_t *stat) {
  printf(" -> %d", error);
  if (error != 0) return;
  printf(" type=%d", stat->filetype);
  if (stat->filetype == __WASI_FILETYPE_REGULAR_FILE) printf(" size=%llu nlink=%llu", stat->size, stat->nlink);
}

/// What works on a descriptor.
static void on_slot(unsigned what) {
  int slot = random_slot();
  __wasi_fd_t fd = slots[slot] == NONE ? 77 : (__wasi_fd_t)slots[slot];
  unsigned length = random_below(chance(10) ? BUFFER : 16);
  __wasi_ciovec_t out = {bytes, length};
  __wasi_iovec_t in = {bytes, length};
  __wasi_size_t moved = 0;
  __wasi_filesize_t position = 0;
  __wasi_filestat_t stat;
  __wasi_fdstat_t fdstat;
  __wasi_errno_t error;
  long long offset = (long long)random_below(200) - (what == 4 ? 60 : 0);
  printf("slot=%d ", slot);
  // What Linux has for directories and wasmtime has not: flags, fsync, and EISDIR of a read.
  if ((what == 1 || what == 9 || what == 10) && is_directory(fd)) {
    printf("is a directory");
    return;
  }
  switch (what) {
    case 0:
      memset(bytes, 'a' + (int)random_below(26), length);
      error = __wasi_fd_write(fd, &out, 1, &moved);
      printf("write %u -> %d %lu", length, error, error ? 0 : moved);
      return;
    case 1:
      error = __wasi_fd_read(fd, &in, 1, &moved);
      printf("read %u -> %d %lu %x", length, error, error ? 0 : moved, error ? 0 : checksum(bytes, moved));
      return;
    case 2:
      memset(bytes, 'A' + (int)random_below(26), length);
      error = __wasi_fd_pwrite(fd, &out, 1, (__wasi_filesize_t)offset, &moved);
      printf("pwrite %u at %lld -> %d %lu", length, offset, error, error ? 0 : moved);
      return;
    case 3:
      error = __wasi_fd_pread(fd, &in, 1, (__wasi_filesize_t)offset, &moved);
      printf("pread %u at %lld -> %d %lu %x", length, offset, error, error ? 0 : moved, error ? 0 : checksum(bytes, moved));
      return;
    case 4: {
      __wasi_whence_t whence = (__wasi_whence_t)random_below(3);
      error = __wasi_fd_seek(fd, offset, whence, &position);
      printf("seek %lld from %d -> %d %llu", offset, whence, error, error ? 0 : position);
      return;
    }
    case 5:
      error = __wasi_fd_tell(fd, &position);
      printf("tell -> %d %llu", error, error ? 0 : position);
      return;
    case 6:
      printf("stat");
      error = __wasi_fd_filestat_get(fd, &stat);
      print_stat(error, &stat);
      return;
    case 7:
      printf("set_size %lld -> %d", offset, __wasi_fd_filestat_set_size(fd, (__wasi_filesize_t)offset));
      return;
    case 8:
      error = __wasi_fd_fdstat_get(fd, &fdstat);
      printf("fdstat -> %d type=%d flags=%d", error, error ? 0 : fdstat.fs_filetype, error ? 0 : fdstat.fs_flags);
      return;
    case 9: {
      __wasi_fdflags_t flags = chance(50) ? __WASI_FDFLAGS_APPEND : 0;
      printf("set_flags %d -> %d", flags, __wasi_fd_fdstat_set_flags(fd, flags));
      return;
    }
    case 10:
      printf("sync -> %d", chance(50) ? __wasi_fd_sync(fd) : __wasi_fd_datasync(fd));
      return;
    case 11:
      printf("advise -> %d", __wasi_fd_advise(fd, 0, 10, (__wasi_advice_t)random_below(6)));
      return;
    case 12: {
      __wasi_timestamp_t time = 1000000000ULL * (1 + random_below(1000000));
      __wasi_fstflags_t flags = __WASI_FSTFLAGS_MTIM | (chance(50) ? __WASI_FSTFLAGS_ATIM : 0);
      if (chance(10)) flags |= __WASI_FSTFLAGS_MTIM_NOW;
      error = __wasi_fd_filestat_set_times(fd, time, time, flags);
      printf("set_times flags=%d -> %d", flags, error);
      if (error == 0 && __wasi_fd_filestat_get(fd, &stat) == 0) printf(" %llu", stat.mtim);
      return;
    }
    case 13: {
      int other = random_slot();
      if (slots[slot] == NONE || slots[other] == NONE) {
        printf("renumber: not both open");
        return;
      }
      error = __wasi_fd_renumber(fd, (__wasi_fd_t)slots[other]);
      printf("renumber to slot %d -> %d", other, error);
      if (error == 0 && other != slot) slots[slot] = NONE;
      return;
    }
    default:
      error = __wasi_fd_close(fd);
      printf("close -> %d", error);
      slots[slot] = NONE;
  }
}

/// The names in a directory, whatever their order; read with a buffer that has room for a few at a time.
static void list_directory(void) {
  __wasi_fd_t fd = random_base();
  unsigned char buffer[96];
  __wasi_dircookie_t cookie = 0;
  unsigned names = 0, sum = 0;
  for (;;) {
    __wasi_size_t used = 0;
    __wasi_errno_t error = __wasi_fd_readdir(fd, buffer, sizeof buffer, cookie, &used);
    if (error != 0) {
      printf("readdir -> %d", error);
      return;
    }
    size_t at = 0;
    while (at + sizeof(__wasi_dirent_t) <= used) {
      __wasi_dirent_t entry;
      memcpy(&entry, buffer + at, sizeof entry);
      if (at + sizeof entry + entry.d_namlen > used) break;
      sum += checksum(buffer + at + sizeof entry, entry.d_namlen) * (entry.d_type + 1u);
      names++;
      cookie = entry.d_next;
      at += sizeof entry + entry.d_namlen;
    }
    if (used < sizeof buffer) break;
  }
  printf("readdir -> 0 names=%u %x", names, sum);
}

/// What works on paths.
static void on_path(unsigned what) {
  char text[64], other_text[64];
  __wasi_fd_t base = random_base(), other_base = chance(80) ? base : random_base();
  const char *path = random_path(text), *other = random_path(other_text);
  __wasi_lookupflags_t lookup = random_lookup();
  __wasi_filestat_t stat;
  __wasi_size_t length = 0;
  __wasi_errno_t error;
  printf("base=%s ", base == ROOT ? "root" : "slot");
  switch (what) {
    case 0:
      printf("mkdir '%s' -> %d", path, __wasi_path_create_directory(base, path));
      return;
    case 1:
      if (ends_oddly(path)) {
        printf("rmdir '%s': odd", path);
        return;
      }
      printf("rmdir '%s' -> %d", path, __wasi_path_remove_directory(base, path));
      return;
    case 2:
      if (ends_oddly(path)) {
        printf("unlink '%s': odd", path);
        return;
      }
      printf("unlink '%s' -> %d", path, __wasi_path_unlink_file(base, path));
      return;
    case 3:
      printf("rename '%s' %s '%s' -> %d", path, base == other_base ? "to" : "elsewhere to", other,
             __wasi_path_rename(base, path, other_base, other));
      return;
    case 4:
      if (ends_oddly(path) || ends_oddly(other)) {
        printf("link '%s' to '%s': odd", path, other);
        return;
      }
      printf("link '%s' to '%s' -> %d", path, other, __wasi_path_link(base, 0, path, other_base, other));
      return;
    case 5:
      // A link to the root makes `..` lead above it: see docs/wasi.md.
      if (ends_oddly(path) || ends_oddly(other) || *other == 0 || strstr(other, "..") != NULL) {
        printf("symlink '%s' at '%s': odd", other, path);
        return;
      }
      printf("symlink '%s' at '%s' -> %d", other, path, __wasi_path_symlink(other, base, path));
      return;
    case 6: {
      __wasi_size_t room = chance(10) ? 2 : BUFFER;
      error = __wasi_path_readlink(base, path, bytes, room, &length);
      printf("readlink '%s' room=%lu -> %d %x", path, room, error, error ? 0 : checksum(bytes, length));
      return;
    }
    case 7: {
      __wasi_timestamp_t time = 1000000000ULL * (1 + random_below(1000000));
      error = __wasi_path_filestat_set_times(base, lookup, path, time, time, __WASI_FSTFLAGS_MTIM);
      printf("set_times '%s' lookup=%d -> %d", path, lookup, error);
      if (error == 0 && __wasi_path_filestat_get(base, lookup, path, &stat) == 0) printf(" %llu", stat.mtim);
      return;
    }
    default:
      printf("stat '%s' lookup=%d", path, lookup);
      error = __wasi_path_filestat_get(base, lookup, path, &stat);
      print_stat(error, &stat);
  }
}

int main(int count, char **words) {
  if (count != 3) return 2;
  state = strtoull(words[1], NULL, 10) * 0x9e3779b97f4a7c15ULL + 1;
  unsigned steps = (unsigned)strtoul(words[2], NULL, 10);
  for (int slot = 0; slot < SLOTS; slot++) slots[slot] = NONE;
  for (unsigned step = 0; step < steps; step++) {
    printf("%u ", step);
    unsigned kind = random_below(100);
    if (kind < 20) open_path();
    else if (kind < 62) on_slot(random_below(15));
    else if (kind < 66) list_directory();
    else on_path(random_below(10));
    putchar('\n');
  }
  return 0;
}
