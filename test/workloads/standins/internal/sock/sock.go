// Package sock gives net's listeners and connections over WasmEdge's socket extension (docs/sockets.md), in builds with
// the tag 'sockets' for wasip1. Without it, listeners come from the descriptors of LISTEN_FDS and nothing can be dialled.
package sock

import (
	"context"
	"net"
	"net/netip"
)

// Packet is a datagram socket.
type Packet interface {
	ReadFrom(p []byte) (int, netip.AddrPort, error)
	WriteTo(p []byte, to netip.AddrPort) (int, error)
	Close() error
}

// Conn is a connection with its addresses, which Go's own do not know on wasip1.
type Conn struct {
	net.Conn
	local, remote net.Addr
}

func (c *Conn) LocalAddr() net.Addr  { return c.local }
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// CloseWrite tells the peer that no more is to come, where the connection can.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Dial connects: network is tcp or udp, address has a name or an address, and a port.
func Dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addresses, err := Lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, ip := range addresses {
		var conn net.Conn
		if conn, err = dial(ctx, network, net.JoinHostPort(ip.String(), port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// Lookup finds the addresses of a name.
func Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	if host == "localhost" {
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}, nil
	}
	addresses, err := lookup(ctx, host)
	if err == nil && len(addresses) == 0 {
		err = &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return addresses, err
}
