//go:build wasip1 && sockets

package sock

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"runtime"
	"time"
	"unsafe"
)

var noDeadline time.Time

const (
	maxAddresses     = 8
	addressInfoSize  = 28
	socketAddrSize   = 8 + 4
	addressDataSize  = 26
	offsetAddr       = 12
	offsetCanonical  = 16
	offsetNext       = 24
	canonicalSize    = 64
	offsetCanonicalN = 20
)

// lookup lays out a chain of results for sock_getaddrinfo to fill, as docs/sockets.md has it.
func lookup(_ context.Context, host string) ([]netip.Addr, error) {
	each := addressInfoSize + socketAddrSize + addressDataSize + 2 + canonicalSize
	memory := make([]byte, maxAddresses*each)
	base := uint32(uintptr(unsafe.Pointer(&memory[0])))
	put := binary.LittleEndian.PutUint32
	for i := range maxAddresses {
		info := memory[i*each:]
		at := base + uint32(i*each)
		put(info[offsetAddr:], at+addressInfoSize)
		put(info[offsetCanonical:], at+uint32(each-canonicalSize))
		put(info[offsetCanonicalN:], canonicalSize)
		if i+1 < maxAddresses {
			put(info[offsetNext:], at+uint32(each))
		}
		put(info[addressInfoSize+4:], addressDataSize)
		put(info[addressInfoSize+8:], at+addressInfoSize+socketAddrSize)
	}
	hints := make([]byte, addressInfoSize)
	hints[3] = stream
	first := base
	var count uint32
	name := []byte(host)
	service := []byte("0")
	errno := sockAddressInfo(unsafe.Pointer(&name[0]), uint32(len(name)), unsafe.Pointer(&service[0]), uint32(len(service)),
		unsafe.Pointer(&hints[0]), unsafe.Pointer(&first), maxAddresses, unsafe.Pointer(&count))
	runtime.KeepAlive(memory)
	if errno != 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true, IsTemporary: errno == 78}
	}
	var found []netip.Addr
	for i := range min(int(count), maxAddresses) {
		socket := memory[i*each+addressInfoSize:]
		data := socket[socketAddrSize:]
		ip := netip.AddrFrom4([4]byte(data[2:6]))
		if socket[0] == family6 {
			ip = netip.AddrFrom16([16]byte(data[6:22]))
		}
		found = append(found, ip)
	}
	return found, nil
}
