//go:build !wasip1

package sock

import (
	"context"
	"net"
	"net/netip"
)

// Listen is net.Listen.
func Listen(address string) (net.Listener, error) { return net.Listen("tcp", address) }

type packet struct{ *net.UDPConn }

func (p packet) ReadFrom(b []byte) (int, netip.AddrPort, error) { return p.ReadFromUDPAddrPort(b) }
func (p packet) WriteTo(b []byte, to netip.AddrPort) (int, error) {
	return p.WriteToUDPAddrPort(b, to)
}

// ListenPacket is net.ListenUDP.
func ListenPacket(address string) (Packet, error) {
	at, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp", at)
	return packet{conn}, err
}

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

func lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}
