package applets

import (
	"bufio"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/posix"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/sh"
)

var processes map[string]proc.Main

func init() {
	processes = map[string]proc.Main{
		"sleep": sleep, "usleep": usleep, "timeout": timeout, "nohup": prefix, "nice": prefix, "setsid": prefix, "ps": ps,
		"pidof": pidof, "which": which, "xargs": xargs, "watch": watch, "time": prefix, "killall": killall, "pgrep": pidof,
	}
}

// seconds reads a time as sleep(1) does: a number with s, m, h or d; 'infinity' is as long as there is.
func seconds(p *proc.Proc, text string) time.Duration {
	if text == "inf" || text == "infinity" {
		return 1<<63 - 1
	}
	unit := time.Second
	if units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}; text != "" {
		if u, ok := units[text[len(text)-1]]; ok {
			unit, text = u, text[:len(text)-1]
		}
	}
	number, err := strconv.ParseFloat(text, 64)
	if err != nil || number < 0 {
		p.Errorf("invalid number '%s'", text)
		p.Exit(1)
	}
	if number*float64(unit) > 1<<62 {
		return 1<<63 - 1
	}
	return time.Duration(number * float64(unit))
}

func sleep(p *proc.Proc) int {
	need(p, p.Args, 2)
	var total time.Duration
	for _, arg := range p.Args[1:] {
		next := seconds(p, arg)
		if total += next; total < 0 {
			total = 1<<63 - 1
		}
	}
	p.Sleep(total)
	return 0
}

func usleep(p *proc.Proc) int {
	need(p, p.Args, 2)
	p.Sleep(time.Duration(amount(p, p.Args[1])) * time.Microsecond)
	return 0
}

func timeout(p *proc.Proc) int {
	o := parse(p, "+s:k:t:", map[string]byte{"signal": 's', "kill-after": 'k', "foreground": 'f', "preserve-status": 'p'})
	need(p, o.args, 2)
	signal := 15
	if name := strings.TrimPrefix(strings.ToUpper(o.set['s']), "SIG"); name != "" {
		number, err := strconv.Atoi(name)
		if err != nil {
			number = posix.SignalNumbers[name]
		}
		signal = number
	}
	ctx, cancel := context.WithCancelCause(p.Context())
	defer cancel(nil)
	expired := false
	timer := time.AfterFunc(seconds(p, o.args[0]), func() {
		expired = true
		cancel(proc.Signalled(signal))
	})
	defer timer.Stop()
	code := p.ChildIn(ctx, o.args[1:], p.Env, nil)
	if expired && code >= 128 {
		return 128 + signal
	}
	return code
}

// prefix runs the command after it: what it would change about a process, a guest has not.
func prefix(p *proc.Proc) int {
	args := p.Args[1:]
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		if args[0] == "-n" && len(args) > 1 {
			args = args[1:]
		}
		args = args[1:]
	}
	need(p, args, 1)
	return p.Child(args, nil)
}

func ps(p *proc.Proc) int {
	p.Printf("PID   USER     TIME  COMMAND\n")
	user := named("/etc/passwd", strconv.Itoa(posix.Geteuid()), posix.Geteuid())
	for _, other := range p.System.Processes() {
		p.Printf("%5d %-8s  0:00 %s\n", other.PID, user, strings.Join(other.Args, " "))
	}
	return 0
}

func matching(p *proc.Proc, name string) (found []*proc.Proc) {
	for _, other := range p.System.Processes() {
		if other != p && other.Args[0] == name || strings.HasSuffix(other.Args[0], "/"+name) {
			found = append(found, other)
		}
	}
	return found
}

func pidof(p *proc.Proc) int {
	var ids []string
	for _, name := range p.Args[1:] {
		for _, other := range matching(p, name) {
			ids = append(ids, strconv.Itoa(other.PID))
		}
	}
	if len(ids) == 0 {
		return 1
	}
	p.Printf("%s\n", strings.Join(ids, " "))
	return 0
}

func killall(p *proc.Proc) int {
	args := []string{"kill"}
	var ids []string
	for _, arg := range p.Args[1:] {
		if strings.HasPrefix(arg, "-") {
			args = append(args, arg)
			continue
		}
		for _, other := range matching(p, arg) {
			ids = append(ids, strconv.Itoa(other.PID))
		}
	}
	if len(ids) == 0 {
		p.Errorf("no process killed")
		return 1
	}
	return sh.Kill(p, append(args, ids...))
}

func which(p *proc.Proc) int {
	code := 0
	for _, name := range p.Args[1:] {
		if file := proc.WhichFile(p, name); file != "" {
			p.Printf("%s\n", file)
		} else {
			code = 1
		}
	}
	return code
}

func watch(p *proc.Proc) int {
	o := parse(p, "+n:t", nil)
	need(p, o.args, 1)
	interval := 2 * time.Second
	if o.has('n') {
		interval = seconds(p, o.set['n'])
	}
	for {
		p.Printf("\x1b[H\x1b[J")
		p.Child([]string{"sh", "-c", strings.Join(o.args, " ")}, nil)
		p.Sleep(interval)
	}
}

func xargs(p *proc.Proc) int {
	o := parse(p, "+0rn:I:tpP:L:d:x", nil)
	command := o.args
	if len(command) == 0 {
		command = []string{"echo"}
	}
	words := xargsWords(p, o)
	size := len(words)
	if o.has('n') {
		size = int(amount(p, o.set['n']))
	} else if o.has('I') || o.has('L') {
		size = 1
	}
	if len(words) == 0 && !o.has('r') && !o.has('I') {
		return p.Child(command, strings.NewReader(""))
	}
	code := 0
	for len(words) > 0 {
		count := min(max(size, 1), len(words))
		if status := p.Child(xargsCommand(o, command, words[:count]), strings.NewReader("")); status != 0 {
			if status == 255 || status >= 126 {
				return min(status, 127)
			}
			code = 123
		}
		words = words[count:]
	}
	return code
}

func xargsCommand(o *options, command, words []string) []string {
	if !o.has('I') {
		return append(append([]string{}, command...), words...)
	}
	made := make([]string, len(command))
	for i, word := range command {
		made[i] = strings.ReplaceAll(word, o.set['I'], words[0])
	}
	return made
}

// xargsWords reads standard input: words with quotes, lines with -I and -L, or what NUL ends with -0.
func xargsWords(p *proc.Proc, o *options) (words []string) {
	data := bufio.NewReader(p)
	var all strings.Builder
	if _, err := data.WriteTo(&all); err != nil {
		p.Exit(p.Fail(err))
	}
	separator := ""
	if o.has('0') {
		separator = "\x00"
	} else if o.has('I') || o.has('L') {
		separator = "\n"
	} else if o.has('d') {
		separator, _ = unescape(o.set['d'])
	}
	if separator == "" {
		return quotedWords(all.String())
	}
	for _, word := range strings.Split(strings.TrimSuffix(all.String(), separator), separator) {
		if word != "" || o.has('0') {
			words = append(words, word)
		}
	}
	return words
}

func quotedWords(text string) (words []string) {
	var word strings.Builder
	inside, quote := false, rune(0)
	escaped := false
	for _, r := range text {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, inside = r, true
		case r == '\\':
			escaped, inside = true, true
		case r == ' ' || r == '\t' || r == '\n':
			if inside {
				words = append(words, word.String())
				word.Reset()
				inside = false
			}
		default:
			word.WriteRune(r)
			inside = true
		}
	}
	if inside {
		words = append(words, word.String())
	}
	return words
}
