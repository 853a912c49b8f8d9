package applets

import (
	"bufio"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
)

var digests map[string]proc.Main

func init() {
	digests = map[string]proc.Main{
		"md5sum": digest(md5.New), "sha1sum": digest(sha1.New), "sha256sum": digest(sha256.New), "sha512sum": digest(sha512.New),
		"base64": base64Applet, "hexdump": hexdump, "hd": hexdump, "od": od, "xxd": xxd,
	}
}

func digest(algorithm func() hash.Hash) proc.Main {
	return func(p *proc.Proc) int {
		o := parse(p, "csbw", nil)
		if o.has('c') {
			return checkDigests(p, o, algorithm)
		}
		return eachInput(p, o.args, func(name string, in reader) error {
			h := algorithm()
			if _, err := io.Copy(h, in); err != nil {
				return err
			}
			p.Printf("%s  %s\n", hex.EncodeToString(h.Sum(nil)), name)
			return nil
		})
	}
}

func checkDigests(p *proc.Proc, o *options, algorithm func() hash.Hash) int {
	list, code := allLines(p, o.args)
	for _, line := range list {
		want, name, ok := strings.Cut(line, "  ")
		if !ok {
			continue
		}
		data, err := contents(p, name)
		h := algorithm()
		h.Write(data)
		state := "OK"
		if err != nil || hex.EncodeToString(h.Sum(nil)) != want {
			state, code = "FAILED", 1
		}
		if !o.has('s') {
			p.Printf("%s: %s\n", name, state)
		}
	}
	return code
}

func base64Applet(p *proc.Proc) int {
	o := parse(p, "dw:", map[string]byte{"decode": 'd', "wrap": 'w'})
	width := 76
	if o.has('w') {
		width = int(amount(p, o.set['w']))
	}
	return eachInput(p, o.args, func(_ string, in reader) error {
		data, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		if o.has('d') {
			plain, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(data)), ""))
			_, _ = p.Out().Write(plain)
			if err != nil {
				return fmt.Errorf("truncated input")
			}
			return nil
		}
		text := base64.StdEncoding.EncodeToString(data)
		for width > 0 && len(text) > width {
			p.Printf("%s\n", text[:width])
			text = text[width:]
		}
		p.Printf("%s", text)
		if width > 0 && text != "" {
			p.Printf("\n")
		}
		return nil
	})
}

// allData reads all operands as one.
func allData(p *proc.Proc, names []string) (data []byte, code int) {
	code = eachInput(p, names, func(_ string, in reader) error {
		more, err := io.ReadAll(in)
		data = append(data, more...)
		return err
	})
	return data, code
}

func limited(p *proc.Proc, o *options, data []byte, skip, count byte) (part []byte, from int) {
	if o.has(skip) {
		from = min(int(amount(p, o.set[skip])), len(data))
	}
	data = data[from:]
	if o.has(count) {
		data = data[:min(int(amount(p, o.set[count])), len(data))]
	}
	return data, from
}

func printable(data []byte) string {
	text := make([]byte, len(data))
	for i, b := range data {
		text[i] = '.'
		if b >= ' ' && b < 0x7f {
			text[i] = b
		}
	}
	return string(text)
}

func hexdump(p *proc.Proc) int {
	o := parse(p, "Cvn:s:xbcdoe:", nil)
	data, code := allData(p, o.args)
	data, from := limited(p, o, data, 's', 'n')
	canonical := o.has('C') || p.Args[0] == "hd"
	out := bufio.NewWriter(p.Out())
	defer out.Flush()
	digits := 7
	if canonical {
		digits = 8
	}
	starred := false
	for at := 0; at < len(data); at += 16 {
		row := data[at:min(at+16, len(data))]
		if at > 0 && !o.has('v') && len(row) == 16 && string(row) == string(data[at-16:at]) {
			if !starred {
				out.WriteString("*\n")
			}
			starred = true
			continue
		}
		starred = false
		if canonical {
			fmt.Fprintf(out, "%08x  %-48s  |%s|\n", from+at, hexPairs(row), printable(row))
		} else {
			fmt.Fprintf(out, "%07x%s\n", from+at, hexWords(row))
		}
	}
	if len(data) > 0 {
		fmt.Fprintf(out, "%0*x\n", digits, from+len(data))
	}
	return code
}

func hexPairs(row []byte) string {
	var text strings.Builder
	for i, b := range row {
		if i == 8 {
			text.WriteByte(' ')
		}
		if i > 0 {
			text.WriteByte(' ')
		}
		fmt.Fprintf(&text, "%02x", b)
	}
	return text.String()
}

func hexWords(row []byte) string {
	var text strings.Builder
	for i := 0; i < len(row); i += 2 {
		word := uint16(row[i])
		if i+1 < len(row) {
			word |= uint16(row[i+1]) << 8
		}
		fmt.Fprintf(&text, " %04x", word)
	}
	return text.String()
}

func od(p *proc.Proc) int {
	o := parse(p, "A:t:N:j:vcxbdo", nil)
	data, code := allData(p, o.args)
	data, from := limited(p, o, data, 'j', 'N')
	kind := o.set['t']
	for _, letter := range []byte("cxbdo") {
		if o.has(letter) {
			kind = map[byte]string{'c': "c", 'x': "x2", 'b': "o1", 'd': "u2", 'o': "o2"}[letter]
		}
	}
	if kind == "" {
		kind = "o2"
	}
	for at := 0; at < len(data); at += 16 {
		odAddress(p, o, from+at)
		p.Printf("%s\n", odRow(data[at:min(at+16, len(data))], kind))
	}
	if o.set['A'] != "n" {
		odAddress(p, o, from+len(data))
		p.Printf("\n")
	}
	return code
}

func odAddress(p *proc.Proc, o *options, address int) {
	switch o.set['A'] {
	case "n":
	case "x":
		p.Printf("%06x", address)
	case "d":
		p.Printf("%07d", address)
	default:
		p.Printf("%07o", address)
	}
}

var odFormats = map[string]struct {
	size   int
	format string
}{
	"x1": {1, " %02x"}, "x2": {2, " %04x"}, "x4": {4, " %08x"}, "x": {4, " %08x"}, "o1": {1, " %03o"}, "o2": {2, " %06o"}, "o": {4, " %011o"},
	"u1": {1, " %3d"}, "u2": {2, " %5d"}, "u4": {4, " %10d"}, "u": {4, " %10d"}, "d1": {1, " %4d"}, "d2": {2, " %6d"}, "d4": {4, " %11d"}, "d": {4, " %11d"},
}

func odRow(row []byte, kind string) string {
	var text strings.Builder
	if kind == "c" || kind == "a" {
		for _, b := range row {
			text.WriteString(fmt.Sprintf("%4s", odCharacter(b)))
		}
		return text.String()
	}
	shape, ok := odFormats[kind]
	if !ok {
		shape = odFormats["o2"]
	}
	for i := 0; i < len(row); i += shape.size {
		value := uint64(0)
		for j := 0; j < shape.size && i+j < len(row); j++ {
			value |= uint64(row[i+j]) << (8 * j)
		}
		fmt.Fprintf(&text, shape.format, value)
	}
	return text.String()
}

func odCharacter(b byte) string {
	if at := strings.IndexByte("\x00\a\b\f\n\r\t\v", b); at >= 0 {
		return []string{`\0`, `\a`, `\b`, `\f`, `\n`, `\r`, `\t`, `\v`}[at]
	}
	if b >= ' ' && b < 0x7f {
		return string(b)
	}
	return fmt.Sprintf("%03o", b)
}

func xxd(p *proc.Proc) int {
	o := parse(p, "pl:s:", nil)
	data, code := allData(p, o.args)
	data, from := limited(p, o, data, 's', 'l')
	for at := 0; at < len(data); at += 16 {
		row := data[at:min(at+16, len(data))]
		if o.has('p') {
			p.Printf("%s\n", hex.EncodeToString(row))
			continue
		}
		var pairs strings.Builder
		for i := 0; i < len(row); i += 2 {
			fmt.Fprintf(&pairs, "%x ", row[i:min(i+2, len(row))])
		}
		p.Printf("%08x: %-40s %s\n", from+at, pairs.String(), printable(row))
	}
	return code
}
