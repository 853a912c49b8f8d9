//go:build wasip1 && !sockets

package sock

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
)

// firstListener is where the descriptors of LISTEN_FDS begin.
const firstListener = 3

var taken int

// Listen takes the listening descriptors that the program was given, one after the other: which port each has, the
// runtime alone knows.
func Listen(string) (net.Listener, error) {
	count, _ := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if taken >= max(count, 1) {
		return nil, syscall.EADDRNOTAVAIL
	}
	fd := firstListener + taken
	taken++
	return net.FileListener(os.NewFile(uintptr(fd), "listener"))
}

// ListenPacket cannot.
func ListenPacket(string) (Packet, error) { return nil, syscall.ENOSYS }

func dial(context.Context, string, string) (net.Conn, error) { return nil, syscall.ENOSYS }

func lookup(_ context.Context, host string) ([]netip.Addr, error) {
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}
