package applets

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
)

func printf(p *proc.Proc) int {
	if len(p.Args) < 2 {
		p.Errorf("usage: printf FORMAT [ARG]...")
		return 1
	}
	f := &formatter{p: p, args: p.Args[2:]}
	for {
		before := len(f.args)
		f.once(p.Args[1])
		if f.stopped || len(f.args) == 0 || len(f.args) == before {
			break
		}
	}
	return max(f.code, writeAll(p, f.out.String()))
}

type formatter struct {
	p       *proc.Proc
	args    []string
	out     strings.Builder
	code    int
	stopped bool
}

func (f *formatter) next() string {
	if len(f.args) == 0 {
		return ""
	}
	arg := f.args[0]
	f.args = f.args[1:]
	return arg
}

// once goes through the format a single time.
func (f *formatter) once(format string) {
	for i := 0; i < len(format) && !f.stopped; i++ {
		switch {
		case format[i] == '\\':
			end := i + 2
			for end < len(format) && end < i+5 && (format[end] >= '0' && format[end] <= '9' || format[i+1] == 'x') {
				end++
			}
			text, stop := unescape(format[i:min(end, len(format))])
			f.out.WriteString(strings.Replace(text, `\"`, `"`, 1))
			f.stopped = stop
			i = end - 1
		case format[i] == '%' && i+1 < len(format) && format[i+1] == '%':
			f.out.WriteByte('%')
			i++
		case format[i] == '%':
			i = f.directive(format, i)
		default:
			f.out.WriteByte(format[i])
		}
	}
}

// directive formats one argument, and returns where its directive ends.
func (f *formatter) directive(format string, at int) int {
	spec := "%"
	i := at + 1
	for ; i < len(format) && strings.IndexByte("-+ 0#123456789.*", format[i]) >= 0; i++ {
		if format[i] == '*' {
			spec += f.next()
		} else {
			spec += string(format[i])
		}
	}
	if i >= len(format) {
		f.out.WriteString(format[at:])
		return i
	}
	switch verb := format[i]; verb {
	case 's':
		fmt.Fprintf(&f.out, spec+"s", f.next())
	case 'b':
		text, stop := unescape(f.next())
		fmt.Fprintf(&f.out, spec+"s", text)
		f.stopped = stop
	case 'c':
		text := f.next()
		fmt.Fprintf(&f.out, spec+"s", text[:min(1, len(text))])
	case 'd', 'i':
		fmt.Fprintf(&f.out, spec+"d", f.number(f.next()))
	case 'u':
		fmt.Fprintf(&f.out, spec+"d", uint64(f.number(f.next())))
	case 'o', 'x', 'X':
		fmt.Fprintf(&f.out, spec+string(verb), uint64(f.number(f.next())))
	case 'e', 'f', 'g', 'E', 'G':
		value, err := strconv.ParseFloat(f.orZero(), 64)
		if err != nil {
			f.code = 1
		}
		fmt.Fprintf(&f.out, spec+string(verb), value)
	default:
		f.p.Errorf("%s: invalid format", format[at:i+1])
		f.code, f.stopped = 1, true
	}
	return i
}

func (f *formatter) orZero() string {
	if text := f.next(); text != "" {
		return text
	}
	return "0"
}

func (f *formatter) number(text string) int64 {
	if text == "" {
		return 0
	}
	if text[0] == '\'' || text[0] == '"' {
		for _, r := range text[1:] {
			return int64(r)
		}
		return 0
	}
	value, err := strconv.ParseInt(text, 0, 64)
	if err != nil {
		f.p.Errorf("invalid number '%s'", text)
		f.code = 1
	}
	return value
}
