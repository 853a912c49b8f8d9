package applets

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
)

type reader = io.Reader

var texts map[string]proc.Main

func init() {
	texts = map[string]proc.Main{
		"cat": cat, "head": head, "tail": tail, "wc": wc, "grep": grep, "egrep": grep, "fgrep": grep, "cut": cut, "tr": tr,
		"sort": sortLines, "uniq": uniq, "tee": tee, "sed": sed, "echo": echo, "printf": printf, "seq": seq, "yes": yes,
		"rev": rev, "tac": tac, "nl": nl, "cmp": cmpFiles, "diff": diff, "expr": expr, "paste": paste, "awk": awk,
	}
}

// cantOpen is an error of opening, as busybox words it.
func cantOpen(err error) string {
	var pathError *fs.PathError
	if errors.As(err, &pathError) && pathError.Op == "open" {
		message := proc.Message(err)
		return "can't open '" + pathError.Path + "'" + strings.TrimPrefix(message, pathError.Path)
	}
	return proc.Message(err)
}

func cat(p *proc.Proc) int {
	o := parse(p, "unAevtE", nil)
	number := 0
	return eachInput(p, o.args, func(_ string, in reader) error {
		if !o.has('n') {
			_, err := io.Copy(p.Out(), in)
			return err
		}
		return eachLine(in, func(line string) error {
			number++
			p.Printf("%6d\t%s\n", number, line)
			return nil
		})
	})
}

// eachLine calls use for each line, without its newline.
func eachLine(in reader, use func(line string) error) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			if err := use(strings.TrimSuffix(line, "\n")); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func allLines(p *proc.Proc, names []string) (lines []string, code int) {
	code = eachInput(p, names, func(_ string, in reader) error {
		return eachLine(in, func(line string) error {
			lines = append(lines, line)
			return nil
		})
	})
	return lines, code
}

// withCount lets -5 stand for -n 5.
func withCount(p *proc.Proc) {
	for i, arg := range p.Args {
		if len(arg) > 1 && arg[0] == '-' && arg[1] >= '0' && arg[1] <= '9' {
			p.Args[i] = "-n" + arg[1:]
		}
	}
}

// amount reads a number with busybox's suffixes.
func amount(p *proc.Proc, text string) int64 {
	units := map[string]int64{"b": 512, "k": 1 << 10, "K": 1 << 10, "kB": 1000, "m": 1 << 20, "M": 1 << 20, "MB": 1000_000, "G": 1 << 30, "c": 1, "w": 2}
	number := strings.TrimRight(text, "bkKmMGcwB")
	unit := int64(1)
	if suffix := text[len(number):]; suffix != "" {
		var ok bool
		if unit, ok = units[suffix]; !ok {
			unit = 0
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || unit == 0 {
		p.Errorf("invalid number '%s'", text)
		p.Exit(1)
	}
	return n * unit
}

func head(p *proc.Proc) int {
	withCount(p)
	o := parse(p, "n:c:qv", map[string]byte{"lines": 'n', "bytes": 'c', "quiet": 'q', "verbose": 'v'})
	titles := (len(o.args) > 1 || o.has('v')) && !o.has('q')
	first := true
	return eachInput(p, o.args, func(name string, in reader) error {
		title(p, titles, &first, name)
		if o.has('c') {
			_, err := io.CopyN(p.Out(), in, amount(p, o.set['c']))
			return notEOF(err)
		}
		count := int64(10)
		if o.has('n') {
			count = amount(p, o.set['n'])
		}
		if count < 0 {
			return headAllBut(p, in, -count)
		}
		if count == 0 {
			return nil
		}
		out := bufio.NewWriter(p.Out())
		err := eachLine(in, func(line string) error {
			out.WriteString(line + "\n")
			if count--; count <= 0 {
				return io.EOF
			}
			return nil
		})
		return errors.Join(out.Flush(), notEOF(err))
	})
}

func headAllBut(p *proc.Proc, in reader, last int64) error {
	var kept []string
	return eachLine(in, func(line string) error {
		if kept = append(kept, line); int64(len(kept)) > last {
			p.Printf("%s\n", kept[0])
			kept = kept[1:]
		}
		return nil
	})
}

func notEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

func title(p *proc.Proc, wanted bool, first *bool, name string) {
	if wanted {
		if !*first {
			p.Printf("\n")
		}
		p.Printf("==> %s <==\n", name)
	}
	*first = false
}

func tail(p *proc.Proc) int {
	withCount(p)
	o := parse(p, "n:c:qvfFs:", map[string]byte{"lines": 'n', "bytes": 'c', "follow": 'f', "quiet": 'q'})
	titles := (len(o.args) > 1 || o.has('v')) && !o.has('q')
	if len(o.args) == 0 {
		o.args = []string{"-"}
	}
	first, code := true, 0
	var followed []io.ReadCloser
	for _, name := range o.args {
		in, err := p.Input(name)
		if err != nil {
			code = openFailed(p, err)
			continue
		}
		title(p, titles, &first, name)
		if err := tailOf(p, o, in); err != nil {
			code = p.Fail(err)
		}
		if o.has('f') || o.has('F') {
			followed = append(followed, in)
		} else {
			_ = in.Close()
		}
	}
	for len(followed) > 0 {
		for _, in := range followed {
			if _, err := io.Copy(p.Out(), in); err != nil {
				code = p.Fail(err)
			}
		}
		p.Sleep(time.Second)
	}
	return code
}

// tailOf writes the end of what is there now.
func tailOf(p *proc.Proc, o *options, in reader) error {
	data, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	count, fromStart := "10", false
	bytesWanted := o.has('c')
	if bytesWanted {
		count = o.set['c']
	} else if o.has('n') {
		count = o.set['n']
	}
	if rest, ok := strings.CutPrefix(count, "+"); ok {
		count, fromStart = rest, true
	}
	n := int(amount(p, strings.TrimPrefix(count, "-")))
	_, err = p.Out().Write(data[tailStart(data, n, bytesWanted, fromStart):])
	return err
}

func tailStart(data []byte, n int, inBytes, fromStart bool) int {
	switch {
	case inBytes && fromStart:
		return min(max(n-1, 0), len(data))
	case inBytes:
		return max(len(data)-n, 0)
	case fromStart:
		at := 0
		for ; n > 1 && at < len(data); n-- {
			end := bytes.IndexByte(data[at:], '\n')
			if end < 0 {
				return len(data)
			}
			at += end + 1
		}
		return at
	}
	if n == 0 {
		return len(data)
	}
	at := len(data)
	if at > 0 && data[at-1] == '\n' {
		at--
	}
	for ; n > 0; n-- {
		if at = bytes.LastIndexByte(data[:at], '\n'); at < 0 {
			return 0
		}
	}
	return at + 1
}

func wc(p *proc.Proc) int {
	o := parse(p, "lwcmL", nil)
	all := !o.has('l') && !o.has('w') && !o.has('c') && !o.has('m') && !o.has('L')
	var total [5]int
	show := func(counts [5]int, name string) {
		var columns []string
		for i, letter := range []byte("lwmcL") {
			if o.has(letter) || (all && letter != 'm' && letter != 'L') {
				columns = append(columns, strconv.Itoa(counts[i]))
			}
		}
		text := strings.Join(columns, " ")
		if len(columns) > 1 {
			text = ""
			for _, column := range columns {
				text += fmt.Sprintf("%9s ", column)
			}
			text = strings.TrimSuffix(text, " ")
		}
		if name != "-" || len(o.args) > 0 {
			text += " " + name
		}
		p.Printf("%s\n", text)
	}
	code := eachInput(p, o.args, func(name string, in reader) error {
		data, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		counts := [5]int{bytes.Count(data, []byte("\n")), len(bytes.Fields(data)), utf8.RuneCount(data), len(data), longest(data)}
		for i := range counts {
			total[i] += counts[i]
		}
		show(counts, name)
		return nil
	})
	if len(o.args) > 1 {
		show(total, "total")
	}
	return code
}

func longest(data []byte) int {
	most := 0
	for line := range bytes.Lines(data) {
		most = max(most, utf8.RuneCount(bytes.TrimSuffix(line, []byte("\n"))))
	}
	return most
}

func echo(p *proc.Proc) int {
	args := p.Args[1:]
	newline, escapes := true, false
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && strings.Trim(args[0][1:], "neE") == "" {
		for _, letter := range args[0][1:] {
			switch letter {
			case 'n':
				newline = false
			case 'e':
				escapes = true
			case 'E':
				escapes = false
			}
		}
		args = args[1:]
	}
	text := strings.Join(args, " ")
	if escapes {
		var stop bool
		if text, stop = unescape(text); stop {
			newline = false
		}
	}
	if newline {
		text += "\n"
	}
	return writeAll(p, text)
}

func writeAll(p *proc.Proc, text string) int {
	if _, err := io.WriteString(p.Out(), text); err != nil {
		p.Errorf("write error: %s", proc.Message(err))
		return 1
	}
	return 0
}

// unescape reads backslash escapes; stop tells of a \c, which ends all output.
func unescape(text string) (result string, stop bool) {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			out.WriteByte(text[i])
			continue
		}
		i++
		switch text[i] {
		case 'c':
			return out.String(), true
		case 'x':
			digits := leading(text[i+1:], "0123456789abcdefABCDEF", 2)
			value, _ := strconv.ParseUint(digits, 16, 8)
			out.WriteByte(byte(value))
			i += len(digits)
		case '0', '1', '2', '3', '4', '5', '6', '7':
			digits := leading(text[i:], "01234567", 4)
			if digits[0] != '0' && len(digits) > 3 {
				digits = digits[:3]
			}
			value, _ := strconv.ParseUint(digits, 8, 16)
			out.WriteByte(byte(value))
			i += len(digits) - 1
		default:
			if at := strings.IndexByte(`abefnrtv\`, text[i]); at >= 0 {
				out.WriteByte("\a\b\x1b\f\n\r\t\v\\"[at])
			} else {
				out.WriteByte('\\')
				out.WriteByte(text[i])
			}
		}
	}
	return out.String(), false
}

func leading(text, set string, limit int) string {
	end := 0
	for end < len(text) && end < limit && strings.IndexByte(set, text[end]) >= 0 {
		end++
	}
	return text[:end]
}

func tee(p *proc.Proc) int {
	o := parse(p, "ai", nil)
	flag := os.O_TRUNC
	if o.has('a') {
		flag = os.O_APPEND
	}
	outs := []io.Writer{p.Out()}
	code := 0
	for _, name := range o.args {
		out, err := p.Create(name, flag)
		if err != nil {
			code = openFailed(p, err)
			continue
		}
		defer out.Close()
		outs = append(outs, out)
	}
	if _, err := io.Copy(io.MultiWriter(outs...), p); err != nil {
		return p.Fail(err)
	}
	return code
}

func seq(p *proc.Proc) int {
	separator := "\n"
	args := p.Args[1:]
	width := false
	for len(args) > 0 && (args[0] == "-s" || args[0] == "-w") {
		if args[0] == "-w" {
			width = true
			args = args[1:]
		} else if len(args) > 1 {
			separator, args = args[1], args[2:]
		}
	}
	numbers := []int64{}
	for _, arg := range args {
		numbers = append(numbers, amount(p, arg))
	}
	first, step, last := int64(1), int64(1), int64(0)
	switch len(numbers) {
	case 1:
		last = numbers[0]
	case 2:
		first, last = numbers[0], numbers[1]
	case 3:
		first, step, last = numbers[0], numbers[1], numbers[2]
	default:
		p.Errorf("missing operand")
		return 1
	}
	out := bufio.NewWriter(p.Out())
	digits := 0
	if width {
		digits = max(len(strconv.FormatInt(first, 10)), len(strconv.FormatInt(last, 10)))
	}
	for n := first; step != 0 && (step > 0 && n <= last || step < 0 && n >= last); n += step {
		if n != first {
			out.WriteString(separator)
		}
		fmt.Fprintf(out, "%0*d", digits, n)
	}
	if step > 0 && first <= last || step < 0 && first >= last {
		out.WriteString("\n")
	}
	out.Flush()
	return 0
}

func yes(p *proc.Proc) int {
	word := "y"
	if len(p.Args) > 1 {
		word = strings.Join(p.Args[1:], " ")
	}
	chunk := strings.Repeat(word+"\n", max(1, 4096/(len(word)+1)))
	for {
		if writeAll(p, chunk) != 0 {
			return 1
		}
		p.Check()
	}
}

func rev(p *proc.Proc) int {
	lines, code := allLines(p, p.Args[1:])
	for _, line := range lines {
		runes := []rune(line)
		slices.Reverse(runes)
		p.Printf("%s\n", string(runes))
	}
	return code
}

func tac(p *proc.Proc) int {
	lines, code := allLines(p, p.Args[1:])
	slices.Reverse(lines)
	for _, line := range lines {
		p.Printf("%s\n", line)
	}
	return code
}

func nl(p *proc.Proc) int {
	lines, code := allLines(p, p.Args[1:])
	number := 0
	for _, line := range lines {
		if line == "" {
			p.Printf("       \n")
			continue
		}
		number++
		p.Printf("%6d\t%s\n", number, line)
	}
	return code
}

func cut(p *proc.Proc) int {
	o := parse(p, "b:c:d:f:sn", nil)
	delimiter := "\t"
	if o.has('d') {
		delimiter = o.set['d']
	}
	list := o.set['f'] + o.set['c'] + o.set['b']
	ranges, ok := parseRanges(list)
	if !ok {
		p.Errorf("invalid range '%s'", list)
		return 1
	}
	return eachInput(p, o.args, func(_ string, in reader) error {
		return eachLine(in, func(line string) error {
			if o.has('f') {
				if !strings.Contains(line, delimiter) {
					if !o.has('s') {
						p.Printf("%s\n", line)
					}
					return nil
				}
				p.Printf("%s\n", strings.Join(pick(strings.Split(line, delimiter), ranges), delimiter))
				return nil
			}
			p.Printf("%s\n", strings.Join(pick(strings.Split(line, ""), ranges), ""))
			return nil
		})
	})
}

func parseRanges(list string) (ranges [][2]int, ok bool) {
	for _, part := range strings.Split(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		first, last := 1, 1<<30
		var err error
		if from != "" {
			if first, err = strconv.Atoi(from); err != nil || first < 1 {
				return nil, false
			}
		}
		if !isRange {
			last = first
		} else if to != "" {
			if last, err = strconv.Atoi(to); err != nil {
				return nil, false
			}
		}
		if from == "" && to == "" {
			return nil, false
		}
		ranges = append(ranges, [2]int{first, last})
	}
	return ranges, true
}

func pick(parts []string, ranges [][2]int) (picked []string) {
	for i, part := range parts {
		for _, r := range ranges {
			if i+1 >= r[0] && i+1 <= r[1] {
				picked = append(picked, part)
				break
			}
		}
	}
	return picked
}

func tr(p *proc.Proc) int {
	o := parse(p, "+cCds", nil)
	need(p, o.args, 1)
	from := trSet(o.args[0])
	complement := o.has('c') || o.has('C')
	inFrom := func(b byte) bool { return (bytes.IndexByte(from, b) >= 0) != complement }
	var to []byte
	if len(o.args) > 1 {
		to = trSet(o.args[1])
	}
	squeeze := from
	if len(to) > 0 {
		squeeze = to
	}
	data, err := io.ReadAll(p)
	if err != nil {
		return p.Fail(err)
	}
	var out bytes.Buffer
	last := -1
	for _, b := range data {
		if inFrom(b) {
			if o.has('d') {
				continue
			}
			if len(to) > 0 {
				b = translated(b, from, to, complement)
			}
		}
		isSqueezed := bytes.IndexByte(squeeze, b) >= 0
		if len(to) == 0 {
			isSqueezed = inFrom(b)
		}
		if o.has('s') && int(b) == last && isSqueezed {
			continue
		}
		last = int(b)
		out.WriteByte(b)
	}
	return writeAll(p, out.String())
}

func translated(b byte, from, to []byte, complement bool) byte {
	if complement {
		return to[len(to)-1]
	}
	return to[min(bytes.IndexByte(from, b), len(to)-1)]
}

func trSet(text string) []byte {
	classes := map[string]string{
		"[:upper:]": "A-Z", "[:lower:]": "a-z", "[:digit:]": "0-9", "[:alpha:]": "A-Za-z", "[:alnum:]": "A-Za-z0-9",
		"[:space:]": "\t\n\v\f\r ", "[:blank:]": "\t ", "[:punct:]": "!-/:-@[-`{-~", "[:xdigit:]": "0-9A-Fa-f",
	}
	for name, class := range classes {
		text = strings.ReplaceAll(text, name, class)
	}
	text, _ = unescape(text)
	var set []byte
	for i := 0; i < len(text); i++ {
		if i+2 < len(text) && text[i+1] == '-' && text[i] <= text[i+2] {
			for b := int(text[i]); b <= int(text[i+2]); b++ {
				set = append(set, byte(b))
			}
			i += 2
			continue
		}
		set = append(set, text[i])
	}
	return set
}

func sortLines(p *proc.Proc) int {
	o := parse(p, "nruk:t:fbo:sVhcm", nil)
	lines, code := allLines(p, o.args)
	key := sortKey(o)
	compare := func(a, b string) int {
		x, y := key(a), key(b)
		if o.has('f') {
			x, y = strings.ToUpper(x), strings.ToUpper(y)
		}
		if o.has('n') || o.has('h') || strings.HasSuffix(strings.TrimRight(o.set['k'], "r"), "n") {
			return cmp.Compare(leadingNumber(x), leadingNumber(y))
		}
		return cmp.Compare(x, y)
	}
	direction := 1
	if o.has('r') || strings.HasSuffix(o.set['k'], "r") {
		direction = -1
	}
	slices.SortStableFunc(lines, func(a, b string) int {
		if order := compare(a, b) * direction; order != 0 || o.has('s') || o.has('u') {
			return order
		}
		return cmp.Compare(a, b) * direction
	})
	if o.has('u') {
		lines = slices.CompactFunc(lines, func(a, b string) bool { return compare(a, b) == 0 })
	}
	text := strings.Join(lines, "\n")
	if len(lines) > 0 {
		text += "\n"
	}
	if o.has('o') {
		out, err := p.Create(o.set['o'], os.O_TRUNC)
		if err != nil {
			return openFailed(p, err)
		}
		defer out.Close()
		if _, err := io.WriteString(out, text); err != nil {
			return p.Fail(err)
		}
		return code
	}
	return max(code, writeAll(p, text))
}

func sortKey(o *options) func(string) string {
	if !o.has('k') {
		return func(line string) string { return line }
	}
	from, to, isRange := strings.Cut(o.set['k'], ",")
	first, _ := strconv.Atoi(leading(from, "0123456789", 9))
	last, _ := strconv.Atoi(leading(to, "0123456789", 9))
	return func(line string) string {
		fields := strings.Fields(line)
		separator := " "
		if o.has('t') {
			separator = o.set['t']
			fields = strings.Split(line, separator)
		}
		if first < 1 || first > len(fields) {
			return ""
		}
		end := len(fields)
		if isRange && last > 0 {
			end = max(min(last, end), first)
		}
		return strings.Join(fields[first-1:end], separator)
	}
}

var numberStart = regexp.MustCompile(`^\s*-?[0-9]*\.?[0-9]*`)

func leadingNumber(text string) float64 {
	number, _ := strconv.ParseFloat(strings.TrimSpace(numberStart.FindString(text)), 64)
	return number
}

func uniq(p *proc.Proc) int {
	o := parse(p, "cdui", nil)
	names := o.args
	if len(names) > 1 {
		names = names[:1]
	}
	lines, code := allLines(p, names)
	for i := 0; i < len(lines); {
		end := i + 1
		for end < len(lines) && (lines[end] == lines[i] || o.has('i') && strings.EqualFold(lines[end], lines[i])) {
			end++
		}
		count := end - i
		if (!o.has('d') || count > 1) && (!o.has('u') || count == 1) {
			if o.has('c') {
				p.Printf("%7d %s\n", count, lines[i])
			} else {
				p.Printf("%s\n", lines[i])
			}
		}
		i = end
	}
	return code
}

func paste(p *proc.Proc) int {
	o := parse(p, "d:s", nil)
	delimiter := "\t"
	if o.has('d') {
		delimiter = o.set['d']
	}
	if o.has('s') {
		lines, code := allLines(p, o.args)
		p.Printf("%s\n", strings.Join(lines, delimiter))
		return code
	}
	var columns [][]string
	rows, code := 0, 0
	for _, name := range o.args {
		lines, failed := allLines(p, []string{name})
		columns, rows, code = append(columns, lines), max(rows, len(lines)), max(code, failed)
	}
	for row := range rows {
		var cells []string
		for _, column := range columns {
			cell := ""
			if row < len(column) {
				cell = column[row]
			}
			cells = append(cells, cell)
		}
		p.Printf("%s\n", strings.Join(cells, delimiter))
	}
	return code
}
