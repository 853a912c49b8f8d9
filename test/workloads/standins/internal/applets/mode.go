package applets

import (
	"strconv"
	"strings"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/posix"
)

// parseMode makes a mode of an octal number or of symbols as u+x,go-w.
func parseMode(text string, old uint32) (uint32, bool) {
	if number, err := strconv.ParseUint(text, 8, 32); err == nil {
		return uint32(number) & 0o7777, true
	}
	mode := old & 0o7777
	directory := old&posix.TypeMask == posix.Directory
	for _, clause := range strings.Split(text, ",") {
		var ok bool
		if mode, ok = applyClause(clause, mode, directory); !ok {
			return 0, false
		}
	}
	return mode, true
}

func applyClause(clause string, mode uint32, directory bool) (uint32, bool) {
	who := leading(clause, "ugoa", 8)
	rest := clause[len(who):]
	if rest == "" {
		return 0, false
	}
	mask := whoMask(who)
	if who == "" {
		mask = 0o7777 &^ uint32(posix.Umask(-1))
	}
	for rest != "" {
		operator := rest[0]
		if strings.IndexByte("+-=", operator) < 0 {
			return 0, false
		}
		letters := leading(rest[1:], "rwxXstugo", 16)
		rest = rest[1+len(letters):]
		bits := permBits(letters, mode, directory) & mask
		switch operator {
		case '+':
			mode |= bits
		case '-':
			mode &^= bits
		default:
			mode = mode&^(mask&0o777) | bits
		}
	}
	return mode, true
}

func whoMask(who string) uint32 {
	var mask uint32
	for _, letter := range who {
		switch letter {
		case 'u':
			mask |= 0o4700
		case 'g':
			mask |= 0o2070
		case 'o':
			mask |= 0o1007
		case 'a':
			mask |= 0o7777
		}
	}
	return mask
}

func permBits(letters string, mode uint32, directory bool) uint32 {
	var bits uint32
	for _, letter := range letters {
		switch letter {
		case 'r':
			bits |= 0o444
		case 'w':
			bits |= 0o222
		case 'x':
			bits |= 0o111
		case 'X':
			if directory || mode&0o111 != 0 {
				bits |= 0o111
			}
		case 's':
			bits |= 0o6000
		case 't':
			bits |= 0o1000
		case 'u':
			bits |= (mode >> 6 & 7) * 0o111
		case 'g':
			bits |= (mode >> 3 & 7) * 0o111
		case 'o':
			bits |= (mode & 7) * 0o111
		}
	}
	return bits
}

// modeText is a mode as ls -l shows it.
func modeText(mode uint32) string {
	kinds := map[uint32]byte{
		posix.Socket: 's', posix.Link: 'l', posix.Regular: '-', posix.Block: 'b', posix.Directory: 'd', posix.Character: 'c',
		posix.Fifo: 'p',
	}
	text := []byte("?rwxrwxrwx")
	if kind, ok := kinds[mode&posix.TypeMask]; ok {
		text[0] = kind
	}
	for i := range 9 {
		if mode&(1<<(8-i)) == 0 {
			text[1+i] = '-'
		}
	}
	special := func(bit uint32, at int, executable, plain byte) {
		if mode&bit == 0 {
			return
		}
		if text[at] == 'x' {
			text[at] = executable
		} else {
			text[at] = plain
		}
	}
	special(0o4000, 3, 's', 'S')
	special(0o2000, 6, 's', 'S')
	special(0o1000, 9, 't', 'T')
	return string(text)
}
