// A web server and a client over WasmEdge's socket extension:
//   serve PORT [COUNT]     answers COUNT requests (default: for ever) with the method and path that it was sent
//   serve6 PORT [COUNT]    the same, on IPv6 too
//   echo PORT              sends back what it gets, on one connection after the other
//   get HOST PORT PATH     prints the answer's body; HOST is an address, or a name that has one of IPv4
//   refuse HOST PORT       connects, which must fail, and prints the errno's name
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IMPORT(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name))) int32_t name

struct address {
  uint8_t *buf;
  uint32_t size;
};
struct sockaddr_data {
  uint32_t family;
  uint32_t length;
  uint8_t *data;
};
struct addrinfo_entry {
  uint16_t flags;
  uint8_t family;
  uint8_t type;
  uint32_t protocol;
  uint32_t addrlen;
  struct sockaddr_data *addr;
  char *canonname;
  uint32_t canonname_length;
  struct addrinfo_entry *next;
};

IMPORT(sock_open)(int32_t family, int32_t type, int32_t *fd);
IMPORT(sock_bind)(int32_t fd, struct address *address, uint32_t port);
IMPORT(sock_listen)(int32_t fd, int32_t backlog);
IMPORT(sock_accept)(int32_t fd, int32_t *connection);
IMPORT(sock_connect)(int32_t fd, struct address *address, uint32_t port);
IMPORT(sock_getaddrinfo)(const char *node, uint32_t node_length, const char *service, uint32_t service_length,
                         const struct addrinfo_entry *hints, struct addrinfo_entry **results, uint32_t most,
                         uint32_t *count);

enum { INET4 = 1, INET6 = 2, STREAM = 2 };

static void check(int32_t failure, const char *what) {
  if (failure == 0) return;
  fprintf(stderr, "%s: %s\n", what, failure < 77 ? strerror(failure) : "no such name");
  exit(1);
}

static void answer(int fd) {
  char request[4096] = "";
  size_t length = 0;
  while (length < sizeof request - 1 && strstr(request, "\r\n\r\n") == NULL) {
    ssize_t got = read(fd, request + length, sizeof request - 1 - length);
    if (got <= 0) break;
    length += (size_t)got;
    request[length] = '\0';
  }
  char line[1024] = "";
  sscanf(request, "%1023[^\r\n]", line);
  dprintf(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s\n",
          strlen(line) + 1, line);
  printf("%s\n", line);
  fflush(stdout);
  close(fd);
}

static uint32_t bytes_of(int32_t family) { return family == INET4 ? 4 : 16; }

/** A listening descriptor. */
static int32_t listen_on(int32_t family, uint32_t port) {
  uint8_t any[16] = {0};
  struct address address = {any, bytes_of(family)};
  int32_t fd;
  check(sock_open(family, STREAM, &fd), "open");
  check(sock_bind(fd, &address, port), "bind");
  check(sock_listen(fd, 16), "listen");
  printf("listening\n");
  fflush(stdout);
  return fd;
}

static int serve(int32_t family, uint32_t port, long count) {
  int32_t fd = listen_on(family, port), connection;
  for (long served = 0; count == 0 || served < count; served++) {
    check(sock_accept(fd, &connection), "accept");
    answer(connection);
  }
  return 0;
}

static int echo(uint32_t port) {
  int32_t fd = listen_on(INET4, port), connection;
  static char bytes[65536];
  for (;;) {
    check(sock_accept(fd, &connection), "accept");
    ssize_t got;
    while ((got = read(connection, bytes, sizeof bytes)) > 0) {
      for (ssize_t sent = 0, put; sent < got; sent += put) {
        put = write(connection, bytes + sent, (size_t)(got - sent));
        if (put <= 0) break;
      }
    }
    close(connection);
  }
}

/** The first address of a name; @returns its family: IPv6 for an address that is of it, else IPv4. */
static int32_t resolve(const char *name, uint8_t ip[16]) {
  uint8_t data[26];
  int32_t family = strchr(name, ':') == NULL ? INET4 : INET6;
  struct sockaddr_data addr = {0, sizeof data, data};
  struct addrinfo_entry hints = {.family = family, .type = STREAM}, entry = {.addr = &addr}, *results = &entry;
  uint32_t count;
  check(sock_getaddrinfo(name, strlen(name), "", 0, &hints, &results, 1, &count), name);
  memcpy(ip, data + (family == INET4 ? 2 : 6), bytes_of(family));
  return family;
}

static int dial(const char *host, uint32_t port, int32_t *failure) {
  uint8_t ip[16];
  int32_t family = resolve(host, ip);
  struct address address = {ip, bytes_of(family)};
  int32_t fd;
  check(sock_open(family, STREAM, &fd), "open");
  *failure = sock_connect(fd, &address, port);
  return fd;
}

static int get(const char *host, uint32_t port, const char *path) {
  int32_t failure;
  int fd = dial(host, port, &failure);
  check(failure, "connect");
  dprintf(fd, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, host);
  static char reply[65536];
  size_t length = 0;
  ssize_t got;
  while ((got = read(fd, reply + length, sizeof reply - 1 - length)) > 0) length += (size_t)got;
  char *body = strstr(reply, "\r\n\r\n");
  if (body == NULL) return 1;
  fputs(body + 4, stdout);
  return 0;
}

int main(int argc, char **argv) {
  const char *command = argc > 1 ? argv[1] : "";
  if (strncmp(command, "serve", 5) == 0 && argc > 2) {
    return serve(command[5] == '6' ? INET6 : INET4, atoi(argv[2]), argc > 3 ? atol(argv[3]) : 0);
  }
  if (strcmp(command, "echo") == 0 && argc > 2) return echo(atoi(argv[2]));
  if (strcmp(command, "get") == 0 && argc > 4) return get(argv[2], atoi(argv[3]), argv[4]);
  if (strcmp(command, "refuse") == 0 && argc > 3) {
    int32_t failure;
    dial(argv[2], atoi(argv[3]), &failure);
    printf("%s\n", failure == 0 ? "connected" : failure == EACCES ? "EACCES" : strerror(failure));
    return 0;
  }
  fprintf(stderr, "usage: serve|serve6 PORT [COUNT] | echo PORT | get HOST PORT PATH | refuse HOST PORT\n");
  return 2;
}
