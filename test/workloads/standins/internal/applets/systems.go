package applets

import (
	"fmt"
	"os"
	"path"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/posix"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
)

var systems map[string]proc.Main

func init() {
	systems = map[string]proc.Main{
		"true": func(*proc.Proc) int { return 0 }, "false": func(*proc.Proc) int { return 1 }, "sync": func(*proc.Proc) int { return 0 },
		"id": id, "whoami": whoami, "groups": groups, "env": env, "printenv": printenv, "date": date, "hostname": hostname,
		"uname": uname, "pwd": pwd, "tty": tty, "nproc": nproc, "uptime": uptime, "arch": arch, "logname": whoami,
		"clear": func(p *proc.Proc) int { p.Printf("\x1b[H\x1b[J"); return 0 }, "busybox": busybox, "umask": umask, "ip": ip,
	}
}

// busybox runs an applet by its first argument.
func busybox(p *proc.Proc) int {
	args := p.Args[1:]
	if len(args) == 0 || args[0] == "--help" || args[0] == "--list" {
		var names []string
		for name := range p.System.Programs {
			names = append(names, name)
		}
		sort.Strings(names)
		if len(args) > 0 && args[0] == "--list" {
			p.Printf("%s\n", strings.Join(names, "\n"))
			return 0
		}
		p.Printf("Usage: busybox [APPLET [ARGUMENTS]...]\n\nThe applets in this binary:\n\n\t%s\n", strings.Join(names, ", "))
		return 0
	}
	main, ok := p.System.Programs[path.Base(args[0])]
	if !ok {
		p.Errorf("%s: applet not found", args[0])
		return 127
	}
	p.Args = args
	return main(p)
}

func umask(p *proc.Proc) int {
	p.Printf("%04o\n", posix.Umask(-1))
	return 0
}

func labelled(database string, id int) string {
	if name := nameOf(database, id); name != "" {
		return fmt.Sprintf("%d(%s)", id, name)
	}
	return strconv.Itoa(id)
}

// groupIDs are the primary group and the others, each once.
func groupIDs() []int {
	all := []int{posix.Getegid()}
	for _, group := range posix.Getgroups() {
		known := false
		for _, other := range all {
			known = known || other == group
		}
		if !known {
			all = append(all, group)
		}
	}
	return all
}

func id(p *proc.Proc) int {
	o := parse(p, "ugGnr", nil)
	show := func(database string, number int) {
		if o.has('n') {
			if name := nameOf(database, number); name != "" {
				p.Printf("%s\n", name)
				return
			}
		}
		p.Printf("%d\n", number)
	}
	switch {
	case o.has('u') && o.has('r'):
		show("/etc/passwd", posix.Getuid())
	case o.has('u'):
		show("/etc/passwd", posix.Geteuid())
	case o.has('g'):
		show("/etc/group", posix.Getegid())
	case o.has('G'):
		var words []string
		for _, group := range groupIDs() {
			word := strconv.Itoa(group)
			if o.has('n') {
				word = named("/etc/group", word, group)
			}
			words = append(words, word)
		}
		p.Printf("%s\n", strings.Join(words, " "))
	default:
		var words []string
		for _, group := range groupIDs() {
			words = append(words, labelled("/etc/group", group))
		}
		p.Printf("uid=%s gid=%s groups=%s\n", labelled("/etc/passwd", posix.Getuid()), labelled("/etc/group", posix.Getgid()), strings.Join(words, ","))
	}
	return 0
}

func whoami(p *proc.Proc) int {
	name := nameOf("/etc/passwd", posix.Geteuid())
	if name == "" {
		p.Errorf("unknown uid %d", posix.Geteuid())
		return 1
	}
	p.Printf("%s\n", name)
	return 0
}

func groups(p *proc.Proc) int {
	p.Args = []string{"groups", "-Gn"}
	return id(p)
}

func env(p *proc.Proc) int {
	o := parse(p, "+iu:0", map[string]byte{"ignore-environment": 'i', "unset": 'u'})
	variables := p.Env
	if o.has('i') {
		variables = nil
	}
	args := o.args
	if len(args) > 0 && args[0] == "-" {
		variables, args = nil, args[1:]
	}
	for _, name := range o.all['u'] {
		variables = without(variables, name)
	}
	for len(args) > 0 && strings.Contains(args[0], "=") {
		name, _, _ := strings.Cut(args[0], "=")
		variables = append(without(variables, name), args[0])
		args = args[1:]
	}
	if len(args) == 0 {
		for _, variable := range variables {
			p.Printf("%s\n", variable)
		}
		return 0
	}
	return p.ChildIn(p.Context(), args, variables, nil)
}

func without(variables []string, name string) (left []string) {
	for _, variable := range variables {
		if !strings.HasPrefix(variable, name+"=") {
			left = append(left, variable)
		}
	}
	return left
}

func printenv(p *proc.Proc) int {
	code := 0
	for _, name := range p.Args[1:] {
		found := false
		for _, variable := range p.Env {
			if value, ok := strings.CutPrefix(variable, name+"="); ok {
				p.Printf("%s\n", value)
				found = true
			}
		}
		if !found {
			code = 1
		}
	}
	if len(p.Args) == 1 {
		for _, variable := range p.Env {
			p.Printf("%s\n", variable)
		}
	}
	return code
}

var dateLayouts = []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02", time.UnixDate, time.RFC1123, time.RFC1123Z}

func parseDate(text string) (time.Time, bool) {
	if seconds, ok := strings.CutPrefix(text, "@"); ok {
		n, err := strconv.ParseInt(seconds, 10, 64)
		return time.Unix(n, 0).UTC(), err == nil
	}
	for _, layout := range dateLayouts {
		if when, err := time.Parse(layout, text); err == nil {
			return when, true
		}
	}
	return time.Time{}, false
}

func date(p *proc.Proc) int {
	o := parse(p, "ud:r:I::R", map[string]byte{"date": 'd', "utc": 'u', "reference": 'r'})
	when := time.Now()
	if o.has('d') {
		var ok bool
		if when, ok = parseDate(o.set['d']); !ok {
			p.Errorf("invalid date '%s'", o.set['d'])
			return 1
		}
	}
	if o.has('r') {
		stat, err := posix.GetStat(p.Path(o.set['r']), true)
		if err != nil {
			return fail(p, o.set['r'], err)
		}
		when = time.Unix(0, stat.Mtime)
	}
	if o.has('u') {
		when = when.UTC()
	}
	format := "%a %b %e %H:%M:%S %Z %Y"
	if o.has('R') {
		format = "%a, %d %b %Y %H:%M:%S %z"
	} else if o.has('I') {
		format = "%Y-%m-%d"
	}
	for _, arg := range o.args {
		if text, ok := strings.CutPrefix(arg, "+"); ok {
			format = text
		}
	}
	p.Printf("%s\n", strftime(format, when))
	return 0
}

var dateFields = map[byte]string{
	'Y': "2006", 'm': "01", 'd': "02", 'H': "15", 'M': "04", 'S': "05", 'y': "06", 'e': "_2", 'a': "Mon", 'A': "Monday", 'b': "Jan",
	'B': "January", 'h': "Jan", 'I': "03", 'p': "PM", 'Z': "MST", 'z': "-0700", 'F': "2006-01-02", 'T': "15:04:05", 'R': "15:04",
	'D': "01/02/06", 'c': "Mon Jan _2 15:04:05 2006", 'x': "01/02/06", 'X': "15:04:05", 'j': "002",
}

func strftime(format string, when time.Time) string {
	var out strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			out.WriteByte(format[i])
			continue
		}
		i++
		switch format[i] {
		case 's':
			out.WriteString(strconv.FormatInt(when.Unix(), 10))
		case 'N':
			fmt.Fprintf(&out, "%09d", when.Nanosecond())
		case 'n':
			out.WriteByte('\n')
		case 't':
			out.WriteByte('\t')
		case 'u':
			out.WriteString(strconv.Itoa((int(when.Weekday())+6)%7 + 1))
		case 'w':
			out.WriteString(strconv.Itoa(int(when.Weekday())))
		case '%':
			out.WriteByte('%')
		default:
			out.WriteString(when.Format(dateFields[format[i]]))
		}
	}
	return out.String()
}

func hostname(p *proc.Proc) int {
	o := parse(p, "fsdiF:", nil)
	name := posix.Hostname()
	full := name
	// As gethostbyname(3) does: the first name of the line of /etc/hosts that has this one.
	data, _ := os.ReadFile("/etc/hosts")
	address := ""
	for _, line := range lines(data) {
		fields := strings.Fields(strings.Split(line, "#")[0])
		if len(fields) > 1 && contains(fields[1:], name) {
			address, full = fields[0], fields[1]
			break
		}
	}
	host, domain, _ := strings.Cut(full, ".")
	switch {
	case o.has('i'):
		if address == "" {
			p.Errorf("%s: Unknown host", name)
			return 1
		}
		p.Printf("%s\n", address)
	case o.has('d'):
		p.Printf("%s\n", domain)
	case o.has('s'):
		p.Printf("%s\n", host)
	case o.has('f'):
		p.Printf("%s\n", full)
	default:
		p.Printf("%s\n", name)
	}
	return 0
}

func uname(p *proc.Proc) int {
	o := parse(p, "asnrvmpio", nil)
	words := []string{}
	values := []struct {
		letter byte
		value  string
	}{{'s', runtime.GOOS}, {'n', posix.Hostname()}, {'r', "1"}, {'v', runtime.Version()}, {'m', runtime.GOARCH}, {'o', "WASI"}}
	for _, v := range values {
		if o.has('a') || o.has(v.letter) || len(o.set) == 0 && v.letter == 's' {
			words = append(words, v.value)
		}
	}
	p.Printf("%s\n", strings.Join(words, " "))
	return 0
}

func arch(p *proc.Proc) int {
	p.Printf("%s\n", runtime.GOARCH)
	return 0
}

func pwd(p *proc.Proc) int {
	p.Printf("%s\n", p.Dir)
	return 0
}

func tty(p *proc.Proc) int {
	if f := p.Files[0]; f != nil && f.OS() != nil {
		if info, err := f.OS().Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			p.Printf("/dev/tty\n")
			return 0
		}
	}
	p.Printf("not a tty\n")
	return 1
}

func nproc(p *proc.Proc) int {
	p.Printf("%d\n", runtime.NumCPU())
	return 0
}

func uptime(p *proc.Proc) int {
	up := time.Duration(0)
	if all := p.System.Processes(); len(all) > 0 {
		up = time.Since(all[0].Started)
	}
	p.Printf(" %s up %d min,  0 users,  load average: 0.00, 0.00, 0.00\n", time.Now().Format("15:04:05"), int(up.Minutes()))
	return 0
}
