//go:build wasip1 && sockets

package sock

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"unsafe"
)

//go:wasmimport wasi_snapshot_preview1 sock_open
//go:noescape
func sockOpen(family, kind uint32, fd unsafe.Pointer) uint32

//go:wasmimport wasi_snapshot_preview1 sock_bind
//go:noescape
func sockBind(fd uint32, address unsafe.Pointer, port uint32) uint32

//go:wasmimport wasi_snapshot_preview1 sock_listen
//go:noescape
func sockListen(fd, backlog uint32) uint32

//go:wasmimport wasi_snapshot_preview1 sock_connect
//go:noescape
func sockConnect(fd uint32, address unsafe.Pointer, port uint32) uint32

//go:wasmimport wasi_snapshot_preview1 sock_recv_from
//go:noescape
func sockRecvFrom(fd uint32, iovs unsafe.Pointer, count uint32, address unsafe.Pointer, flags uint32, port, length, outFlags unsafe.Pointer) uint32

//go:wasmimport wasi_snapshot_preview1 sock_send_to
//go:noescape
func sockSendTo(fd uint32, iovs unsafe.Pointer, count uint32, address unsafe.Pointer, port, flags uint32, length unsafe.Pointer) uint32

//go:wasmimport wasi_snapshot_preview1 sock_getlocaladdr
//go:noescape
func sockLocalAddress(fd uint32, address, kind, port unsafe.Pointer) uint32

//go:wasmimport wasi_snapshot_preview1 sock_getpeeraddr
//go:noescape
func sockPeerAddress(fd uint32, address, kind, port unsafe.Pointer) uint32

//go:wasmimport wasi_snapshot_preview1 sock_getsockopt
//go:noescape
func sockGetOption(fd, level, name uint32, value, size unsafe.Pointer) uint32

//go:wasmimport wasi_snapshot_preview1 sock_setsockopt
//go:noescape
func sockSetOption(fd, level, name uint32, value unsafe.Pointer, size uint32) uint32

//go:wasmimport wasi_snapshot_preview1 sock_getaddrinfo
//go:noescape
func sockAddressInfo(node unsafe.Pointer, nodeLength uint32, service unsafe.Pointer, serviceLength uint32, hints, results unsafe.Pointer, most uint32, count unsafe.Pointer) uint32

const (
	family4, family6  = 1, 2
	datagram, stream  = 1, 2
	backlog           = 128
	reuseAddress      = 0
	lastError         = 2
	taggedAddressSize = 128
)

// span is what the extension calls an address, and Preview 1 a vector: a pointer and a size. Pointers are 32 bits wide on
// the other side, and on this one when read from memory.
type span struct{ at, size uint32 }

func spanOf(p unsafe.Pointer, size int) span { return span{uint32(uintptr(p)), uint32(size)} }

func failed(op string, errno uint32) error {
	if errno == 0 {
		return nil
	}
	return os.NewSyscallError(op, syscall.Errno(errno))
}

// open makes a socket that does not block.
func open(address netip.AddrPort, kind uint32) (uint32, error) {
	family := uint32(family4)
	if address.Addr().Is6() {
		family = family6
	}
	var fd uint32
	if err := failed("socket", sockOpen(family, kind, unsafe.Pointer(&fd))); err != nil {
		return 0, err
	}
	if err := syscall.SetNonblock(int(fd), true); err != nil {
		return 0, err
	}
	return fd, nil
}

// withAddress calls a function with an address as the extension wants it.
func withAddress(address netip.AddrPort, call func(address unsafe.Pointer, port uint32) uint32) uint32 {
	raw := address.Addr().AsSlice()
	buffer := spanOf(unsafe.Pointer(unsafe.SliceData(raw)), len(raw))
	errno := call(unsafe.Pointer(&buffer), uint32(address.Port()))
	keep(raw)
	return errno
}

//go:noinline
func keep([]byte) {}

func parse(address string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if host == "" {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(number)), nil
	}
	ip, err := netip.ParseAddr(host)
	return netip.AddrPortFrom(ip.Unmap(), uint16(number)), err
}

func bind(address string, kind uint32) (*os.File, error) {
	at, err := parse(address)
	if err != nil {
		return nil, err
	}
	fd, err := open(at, kind)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "socket")
	one := uint32(1)
	_ = sockSetOption(fd, 0, reuseAddress, unsafe.Pointer(&one), 4)
	errno := withAddress(at, func(address unsafe.Pointer, port uint32) uint32 { return sockBind(fd, address, port) })
	if err := failed("bind", errno); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

type listener struct{ net.Listener }

// Listen listens for TCP connections.
func Listen(address string) (net.Listener, error) {
	file, err := bind(address, stream)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := failed("listen", sockListen(uint32(file.Fd()), backlog)); err != nil {
		return nil, err
	}
	if err := syscall.SetNonblock(int(file.Fd()), true); err != nil {
		return nil, err
	}
	inner, err := net.FileListener(file)
	return listener{inner}, err
}

func (l listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return addressed(conn, func(at netip.AddrPort) net.Addr { return net.TCPAddrFromAddrPort(at) }), nil
}

// addressed adds the addresses that Go does not ask for.
func addressed(conn net.Conn, as func(netip.AddrPort) net.Addr) net.Conn {
	made := &Conn{Conn: conn, local: as(netip.AddrPort{}), remote: as(netip.AddrPort{})}
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return made
	}
	_ = raw.Control(func(fd uintptr) {
		made.local = as(ask(uint32(fd), sockLocalAddress))
		made.remote = as(ask(uint32(fd), sockPeerAddress))
	})
	return made
}

func ask(fd uint32, get func(fd uint32, address, kind, port unsafe.Pointer) uint32) netip.AddrPort {
	raw := make([]byte, taggedAddressSize)
	buffer := spanOf(unsafe.Pointer(&raw[0]), len(raw))
	var kind, port uint32
	if get(fd, unsafe.Pointer(&buffer), unsafe.Pointer(&kind), unsafe.Pointer(&port)) != 0 {
		return netip.AddrPort{}
	}
	return tagged(raw, port)
}

// tagged reads an address that begins with its family.
func tagged(raw []byte, port uint32) netip.AddrPort {
	size := 4
	if binary.LittleEndian.Uint16(raw) == family6 {
		size = 16
	}
	ip, _ := netip.AddrFromSlice(raw[2 : 2+size])
	return netip.AddrPortFrom(ip.Unmap(), uint16(port))
}

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	at, err := parse(address)
	if err != nil {
		return nil, err
	}
	kind := uint32(stream)
	as := func(at netip.AddrPort) net.Addr { return net.TCPAddrFromAddrPort(at) }
	if network == "udp" {
		kind = datagram
		as = func(at netip.AddrPort) net.Addr { return net.UDPAddrFromAddrPort(at) }
	}
	fd, err := open(at, kind)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "socket")
	defer file.Close()
	errno := withAddress(at, func(address unsafe.Pointer, port uint32) uint32 { return sockConnect(fd, address, port) })
	if errno != 0 && syscall.Errno(errno) != syscall.EINPROGRESS {
		return nil, dialError(network, at, as, failed("connect", errno))
	}
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	if errno != 0 {
		if err := connected(ctx, conn); err != nil {
			conn.Close()
			return nil, dialError(network, at, as, err)
		}
	}
	return addressed(conn, as), nil
}

func dialError(network string, at netip.AddrPort, as func(netip.AddrPort) net.Addr, err error) error {
	return &net.OpError{Op: "dial", Net: network, Addr: as(at), Err: err}
}

// connected waits for the end of a connect.
func connected(ctx context.Context, conn net.Conn) error {
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetWriteDeadline(deadline); err != nil {
			return err
		}
		defer conn.SetWriteDeadline(noDeadline)
	}
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	asked := false
	var outcome error
	err = raw.Write(func(fd uintptr) bool {
		if !asked {
			asked = true
			return false
		}
		var code, size uint32 = 0, 4
		outcome = failed("getsockopt", sockGetOption(uint32(fd), 0, lastError, unsafe.Pointer(&code), unsafe.Pointer(&size)))
		if outcome == nil {
			outcome = failed("connect", code)
		}
		return true
	})
	if err != nil {
		return err
	}
	return outcome
}

type packet struct {
	conn net.Conn
	raw  syscall.RawConn
}

// ListenPacket opens a datagram socket.
func ListenPacket(address string) (Packet, error) {
	file, err := bind(address, datagram)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := syscall.SetNonblock(int(file.Fd()), true); err != nil {
		return nil, err
	}
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	raw, err := conn.(syscall.Conn).SyscallConn()
	return &packet{conn, raw}, err
}

func (p *packet) Close() error { return p.conn.Close() }

func (p *packet) ReadFrom(b []byte) (n int, from netip.AddrPort, err error) {
	vector := spanOf(unsafe.Pointer(unsafe.SliceData(b)), len(b))
	raw := make([]byte, taggedAddressSize)
	address := spanOf(unsafe.Pointer(&raw[0]), len(raw))
	var port, length uint32
	var flags uint32
	var errno uint32
	err = p.raw.Read(func(fd uintptr) bool {
		errno = sockRecvFrom(uint32(fd), unsafe.Pointer(&vector), 1, unsafe.Pointer(&address), 0, unsafe.Pointer(&port), unsafe.Pointer(&length), unsafe.Pointer(&flags))
		return syscall.Errno(errno) != syscall.EAGAIN
	})
	if err == nil {
		err = failed("recvfrom", errno)
	}
	return int(length), tagged(raw, port), err
}

func (p *packet) WriteTo(b []byte, to netip.AddrPort) (n int, err error) {
	vector := spanOf(unsafe.Pointer(unsafe.SliceData(b)), len(b))
	var length, errno uint32
	err = p.raw.Write(func(fd uintptr) bool {
		errno = withAddress(to, func(address unsafe.Pointer, port uint32) uint32 {
			return sockSendTo(uint32(fd), unsafe.Pointer(&vector), 1, address, port, 0, unsafe.Pointer(&length))
		})
		return syscall.Errno(errno) != syscall.EAGAIN
	})
	if err == nil {
		err = failed("sendto", errno)
	}
	return int(length), err
}
