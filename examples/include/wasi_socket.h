// Outgoing TCP connections for guests of WASI Preview 1, which has none, by WasmEdge's socket extension. Incoming ones
// need nothing: each TCP containerPort is a listening descriptor, from 3 on, for accept(2).
#ifndef WASI_SOCKET_H
#define WASI_SOCKET_H

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define WASI_IMPORT(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name))) int32_t wasi_##name

struct wasi_address {
  uint8_t *bytes;
  uint32_t length;
};
struct wasi_socket_address {
  uint32_t family;
  uint32_t length;
  uint8_t *data;
};
struct wasi_address_info {
  uint16_t flags;
  uint8_t family;
  uint8_t type;
  uint32_t protocol;
  uint32_t address_length;
  struct wasi_socket_address *address;
  char *name;
  uint32_t name_length;
  struct wasi_address_info *next;
};

WASI_IMPORT(sock_open)(int32_t family, int32_t type, int32_t *fd);
WASI_IMPORT(sock_connect)(int32_t fd, struct wasi_address *address, uint32_t port);
WASI_IMPORT(sock_getaddrinfo)(const char *node, uint32_t node_length, const char *service, uint32_t service_length,
                              const struct wasi_address_info *hints, struct wasi_address_info **results,
                              uint32_t most, uint32_t *count);

// A connection to a host, by its name or its address of IPv4; -1 with errno when there is none.
static int tcp_connect(const char *host, uint16_t port) {
  enum { INET4 = 1, STREAM = 2, PORT_BYTES = 2 };
  uint8_t data[26];
  struct wasi_socket_address found = {0, sizeof data, data};
  struct wasi_address_info hints = {.family = INET4, .type = STREAM}, entry = {.address = &found}, *results = &entry;
  struct wasi_address address = {data + PORT_BYTES, 4};
  uint32_t count = 0;
  int32_t fd = -1;
  int32_t failure = wasi_sock_getaddrinfo(host, strlen(host), "", 0, &hints, &results, 1, &count);
  if (failure == 0 && count == 0) failure = EADDRNOTAVAIL;
  if (failure == 0) failure = wasi_sock_open(INET4, STREAM, &fd);
  if (failure == 0) failure = wasi_sock_connect(fd, &address, port);
  if (failure == 0) return fd;
  if (fd >= 0) close(fd);
  errno = failure;
  return -1;
}

#endif
