package sh

import (
	"fmt"
	"os"
	"path"
	"sort"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/posix"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
)

type builtin func(s *shell, args []string) int

// builtins change the shell itself, so no program could do it.
var builtins map[string]builtin

func init() {
	builtins = map[string]builtin{
		":": colon, ".": source, "source": source, "break": breakLoop, "continue": breakLoop, "eval": eval, "exit": exit,
		"return": returnFrom, "set": set, "shift": shift, "trap": trap, "unset": unset, "times": times,
		"alias": alias, "unalias": unalias, "bg": noJobControl, "cd": cd, "command": command, "false": fail,
		"fg": noJobControl, "getopts": getopts, "hash": colon, "jobs": jobs, "kill": kill, "pwd": pwd, "read": read,
		"true": colon, "type": typeOf, "ulimit": ulimit, "umask": umask, "wait": wait, "[": test, "test": test,
		"export": declareWords, "readonly": declareWords, "local": declareWords, "builtin": builtinOnly, "shopt": colon,
	}
}

// isSpecial tells the builtins that POSIX calls special: found before functions, and assignments before them stay.
func isSpecial(name string) bool {
	switch name {
	case ":", ".", "break", "continue", "eval", "exec", "exit", "export", "readonly", "return", "set", "shift", "times", "trap", "unset":
		return true
	}
	return false
}

func colon(*shell, []string) int { return 0 }
func fail(*shell, []string) int  { return 1 }

func (s *shell) complain(args []string, format string, values ...any) {
	s.errorf("%s: %s", args[0], fmt.Sprintf(format, values...))
}

func noJobControl(s *shell, args []string) int {
	s.complain(args, "job control is off")
	return 1
}

func times(s *shell, _ []string) int {
	s.p.Printf("0m0.00s 0m0.00s\n0m0.00s 0m0.00s\n")
	return 0
}

func source(s *shell, args []string) int {
	if len(args) < 2 {
		s.complain(args, "filename argument required")
		return 2
	}
	name := args[1]
	if !strings.Contains(name, "/") {
		for _, dir := range strings.Split(s.get("PATH"), ":") {
			if _, err := os.Stat(path.Join(s.p.Path(dir), name)); err == nil {
				name = path.Join(dir, name)
				break
			}
		}
	}
	file, err := s.p.Input(name)
	if err != nil {
		s.errorf("can't open '%s'", args[1])
		if !s.interactive {
			s.exit(2)
		}
		return 2
	}
	defer file.Close()
	if len(args) > 2 {
		old := s.params
		s.params = args[2:]
		defer func() { s.params = old }()
	}
	s.status = 0
	s.runSource(file)
	if s.flow == returning {
		s.flow = onward
	}
	return s.status
}

func breakLoop(s *shell, args []string) int {
	levels := 1
	if len(args) > 1 {
		number, err := strconv.Atoi(args[1])
		if err != nil || number < 1 {
			s.complain(args, "Illegal number: %s", args[1])
			return 2
		}
		levels = number
	}
	if s.loops == 0 {
		return 0
	}
	s.levels = min(levels, s.loops)
	s.flow = breaking
	if args[0] == "continue" {
		s.flow = continuing
	}
	return 0
}

func eval(s *shell, args []string) int {
	s.status = 0
	s.runSource(strings.NewReader(strings.Join(args[1:], " ")))
	return s.status
}

func exit(s *shell, args []string) int {
	code := s.status
	if len(args) > 1 {
		code = s.number(args, args[1])
	}
	s.exit(code)
	return code
}

// number reads a status; one that is none ends the shell.
func (s *shell) number(args []string, text string) int {
	number, err := strconv.Atoi(text)
	if err != nil {
		s.complain(args, "Illegal number: %s", text)
		s.exit(2)
	}
	return number & 0xff
}

func returnFrom(s *shell, args []string) int {
	code := s.status
	if len(args) > 1 {
		code = s.number(args, args[1])
	}
	s.flow = returning
	return code
}

func set(s *shell, args []string) int {
	if len(args) == 1 {
		for _, entry := range s.sortedVars() {
			s.p.Printf("%s=%s\n", entry.name, quote(entry.value.String()))
		}
		return 0
	}
	rest := args[1:]
	for len(rest) > 0 {
		arg := rest[0]
		if arg == "--" {
			s.params = rest[1:]
			return 0
		}
		if len(arg) < 2 || (arg[0] != '-' && arg[0] != '+') {
			break
		}
		rest = rest[1:]
		for _, letter := range arg[1:] {
			if letter == 'o' {
				if len(rest) == 0 {
					s.listOptions()
					return 0
				}
				if !s.setLong(rest[0], arg[0] == '-') {
					s.complain(args, "illegal option -o %s", rest[0])
					return 2
				}
				rest = rest[1:]
			} else if !s.setShort(letter, arg[0] == '-') {
				s.complain(args, "illegal option %c%c", arg[0], letter)
				return 2
			}
		}
	}
	if len(rest) > 0 {
		s.params = rest
	}
	return 0
}

func (s *shell) listOptions() {
	for _, option := range shortOptions {
		state := "off"
		if *option.field(&s.opts) {
			state = "on"
		}
		s.p.Printf("%-16s%s\n", option.long, state)
	}
}

func shift(s *shell, args []string) int {
	count := 1
	if len(args) > 1 {
		count = s.number(args, args[1])
	}
	if count > len(s.params) {
		s.complain(args, "can't shift that many")
		return 1
	}
	s.params = s.params[count:]
	return 0
}

func trap(s *shell, args []string) int {
	rest := args[1:]
	if len(rest) > 0 && rest[0] == "--" {
		rest = rest[1:]
	}
	if len(rest) == 0 {
		s.traps.print(s)
		return 0
	}
	action, names := rest[0], rest[1:]
	remove := action == "-"
	if len(names) == 0 || isNumber(action) {
		remove, names = true, rest
	}
	code := 0
	for _, text := range names {
		name := signalOf(text)
		if name == "" {
			s.complain(args, "%s: invalid signal specification", text)
			code = 1
		} else if remove {
			s.traps.clear(name)
		} else {
			s.traps.set(name, action)
		}
	}
	return code
}

func isNumber(text string) bool {
	_, err := strconv.Atoi(text)
	return err == nil
}

func unset(s *shell, args []string) int {
	functions := false
	for _, name := range args[1:] {
		switch {
		case name == "-f":
			functions = true
		case name == "-v":
			functions = false
		case functions:
			delete(s.funcs, name)
		case s.vars[name].ReadOnly:
			s.complain(args, "%s: is read only", name)
			return 1
		default:
			delete(s.vars, name)
		}
	}
	return 0
}

func alias(s *shell, args []string) int {
	code := 0
	if len(args) == 1 {
		for name, value := range s.aliases {
			s.p.Printf("%s=%s\n", name, quote(value))
		}
	}
	for _, arg := range args[1:] {
		name, value, ok := strings.Cut(arg, "=")
		if ok {
			s.aliases[name] = value
		} else if value, ok := s.aliases[name]; ok {
			s.p.Printf("%s=%s\n", name, quote(value))
		} else {
			s.complain(args, "%s not found", name)
			code = 1
		}
	}
	return code
}

func unalias(s *shell, args []string) int {
	for _, name := range args[1:] {
		if name == "-a" {
			clear(s.aliases)
		}
		delete(s.aliases, name)
	}
	return 0
}

func cd(s *shell, args []string) int {
	rest := args[1:]
	for len(rest) > 0 && (rest[0] == "-L" || rest[0] == "-P" || rest[0] == "--") {
		rest = rest[1:]
	}
	target := s.get("HOME")
	show := false
	if len(rest) > 0 {
		target = rest[0]
	}
	if target == "-" {
		target, show = s.get("OLDPWD"), true
	}
	dir := path.Clean(s.p.Path(target))
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("not a directory")
	}
	if err != nil || target == "" {
		s.complain(args, "can't cd to %s: %s", target, strings.TrimPrefix(proc.Message(err), dir+": "))
		return 2
	}
	s.set("OLDPWD", s.p.Dir)
	s.p.Dir = dir
	s.set("PWD", dir)
	if show {
		s.p.Printf("%s\n", dir)
	}
	return 0
}

func pwd(s *shell, _ []string) int {
	s.p.Printf("%s\n", s.p.Dir)
	return 0
}

func command(s *shell, args []string) int {
	rest := args[1:]
	how := ""
	for len(rest) > 0 && (rest[0] == "-v" || rest[0] == "-V" || rest[0] == "-p" || rest[0] == "--") {
		if rest[0] == "-v" || rest[0] == "-V" {
			how = rest[0]
		}
		rest = rest[1:]
	}
	if len(rest) == 0 {
		return 0
	}
	if how != "" {
		return s.describe(rest[0], how == "-V")
	}
	s.runBuiltinOrProgram(rest)
	return s.status
}

func builtinOnly(s *shell, args []string) int {
	if len(args) < 2 {
		return 0
	}
	if run, ok := builtins[args[1]]; ok {
		return run(s, args[1:])
	}
	s.complain(args, "%s: not a shell builtin", args[1])
	return 1
}

func typeOf(s *shell, args []string) int {
	code := 0
	for _, name := range args[1:] {
		code = max(code, s.describe(name, true))
	}
	return code
}

func (s *shell) describe(name string, long bool) int {
	say := func(short, text string) int {
		if long {
			s.p.Printf("%s is %s\n", name, text)
		} else {
			s.p.Printf("%s\n", short)
		}
		return 0
	}
	if syntax.IsKeyword(name) {
		return say(name, "a shell keyword")
	}
	if value, ok := s.aliases[name]; ok {
		return say("alias "+name+"="+quote(value), "an alias for "+value)
	}
	if _, ok := s.funcs[name]; ok {
		return say(name, "a function")
	}
	if _, ok := builtins[name]; ok || name == "exec" || inShell(name) {
		return say(name, "a shell builtin")
	}
	p := *s.p
	p.Env = s.exported()
	if file := proc.WhichFile(&p, name); file != "" {
		return say(file, file)
	}
	if _, ok := s.p.System.Programs[name]; ok && s.p.System.Standalone {
		return say(name, name)
	}
	if long {
		s.p.Printf("%s: not found\n", name)
	}
	return 127
}

func getopts(s *shell, args []string) int {
	if len(args) < 3 {
		s.complain(args, "usage: getopts optstring var [arg]")
		return 2
	}
	params := s.params
	if len(args) > 3 {
		params = args[3:]
	}
	state := getoptsState{s: s, spec: args[1], name: args[2], params: params}
	return state.next()
}

type getoptsState struct {
	s          *shell
	spec, name string
	params     []string
}

// next finds the next option. Where in a group of letters it stands is kept in a variable that no script can name.
func (g getoptsState) next() int {
	const within = "OPTIND@"
	index, _ := strconv.Atoi(g.s.get("OPTIND"))
	index = max(index, 1)
	at, _ := strconv.Atoi(g.s.vars[within].Str)
	seen, _ := strconv.Atoi(g.s.vars[within+"@"].Str)
	if seen != index {
		at = 0
	}
	at = max(at, 1)
	end := func() int {
		g.s.set("OPTIND", itoa(index))
		g.s.set(g.name, "?")
		return 1
	}
	if index > len(g.params) {
		return end()
	}
	word := g.params[index-1]
	if word == "--" {
		index++
		return end()
	}
	if len(word) < 2 || word[0] != '-' {
		return end()
	}
	letter := word[at]
	at++
	takes := strings.IndexByte(g.spec, letter)
	silent := strings.HasPrefix(g.spec, ":")
	value := string(letter)
	delete(g.s.vars, "OPTARG")
	switch {
	case takes < 0 || letter == ':':
		value = "?"
		if silent {
			g.s.set("OPTARG", string(letter))
		} else {
			g.s.errorf("illegal option -%c", letter)
		}
	case takes+1 < len(g.spec) && g.spec[takes+1] == ':':
		if at < len(word) {
			g.s.set("OPTARG", word[at:])
		} else if index < len(g.params) {
			index++
			g.s.set("OPTARG", g.params[index-1])
		} else if value = "?"; silent {
			value = ":"
			g.s.set("OPTARG", string(letter))
		} else {
			g.s.errorf("no arg for -%c option", letter)
		}
		at = len(word)
	}
	if at >= len(word) {
		index++
		at = 1
	}
	g.s.set("OPTIND", itoa(index))
	g.s.setString(within, itoa(at))
	g.s.setString(within+"@", itoa(index))
	g.s.set(g.name, value)
	return 0
}

func jobs(s *shell, _ []string) int {
	for i, j := range s.jobs {
		state := "Running"
		select {
		case <-j.p.Done():
			state = "Done"
		default:
		}
		var text strings.Builder
		_ = syntax.NewPrinter().Print(&text, j.command)
		s.p.Printf("[%d] %s\t%s\n", i+1, state, text.String())
	}
	return 0
}

func wait(s *shell, args []string) int {
	if len(args) == 1 {
		for len(s.jobs) > 0 {
			j := s.jobs[0]
			if code := s.waitFor(j); len(s.traps.pending) > 0 {
				return code
			}
			s.forget(j)
		}
		return 0
	}
	code := 0
	for _, arg := range args[1:] {
		j := s.findJob(arg)
		if j == nil {
			code = 127
			continue
		}
		if code = s.waitFor(j); len(s.traps.pending) > 0 {
			return code
		}
	}
	return code
}

func (s *shell) findJob(text string) *job {
	if number, ok := strings.CutPrefix(text, "%"); ok {
		index, err := strconv.Atoi(number)
		if number == "%" || number == "+" {
			index, err = len(s.jobs), nil
		}
		if err != nil || index < 1 || index > len(s.jobs) {
			return nil
		}
		return s.jobs[index-1]
	}
	pid, err := strconv.Atoi(text)
	if err != nil {
		return nil
	}
	for _, j := range s.jobs {
		if j.p.PID == pid {
			return j
		}
	}
	return nil
}

func kill(s *shell, args []string) int {
	resolved := append([]string{}, args...)
	for i, arg := range resolved {
		if strings.HasPrefix(arg, "%") {
			if j := s.findJob(arg); j != nil {
				resolved[i] = itoa(j.p.PID)
			}
		}
	}
	return Kill(s.p, resolved)
}

// Kill is kill(1): of processes of this instance.
func Kill(p *proc.Proc, args []string) int {
	rest := args[1:]
	number := 15
	if len(rest) > 0 && rest[0] == "-l" {
		for n := 1; n < 32; n++ {
			if name := signalName(n); name != "EXIT" {
				p.Printf("%2d) %s\n", n, name)
			}
		}
		return 0
	}
	if len(rest) > 1 && rest[0] == "-s" {
		rest = append([]string{"-" + rest[1]}, rest[2:]...)
	}
	if len(rest) > 0 && len(rest[0]) > 1 && rest[0][0] == '-' && rest[0] != "--" {
		name := signalOf(rest[0][1:])
		if name == "" {
			fmt.Fprintf(p.Err(), "kill: bad signal name '%s'\n", rest[0][1:])
			return 1
		}
		number = posix.SignalNumbers[name]
		rest = rest[1:]
	}
	code := 0
	for _, text := range rest {
		if text == "--" {
			continue
		}
		if message := signalTo(p, text, number); message != "" {
			fmt.Fprintf(p.Err(), "kill: %s\n", message)
			code = 1
		}
	}
	p.Check()
	return code
}

func signalTo(p *proc.Proc, text string, number int) string {
	pid, err := strconv.Atoi(text)
	if err != nil {
		return "bad pid '" + text + "'"
	}
	target := p.System.Find(pid)
	if target == nil {
		return fmt.Sprintf("can't kill pid %d: No such process", pid)
	}
	if number != 0 {
		target.Signal(number)
	}
	return ""
}

func read(s *shell, args []string) int {
	raw, prompt, limit, rest := false, "", 0, args[1:]
	for len(rest) > 0 && len(rest[0]) > 1 && rest[0][0] == '-' {
		option := rest[0]
		rest = rest[1:]
		if option == "--" {
			break
		}
		switch {
		case option == "-r":
			raw = true
		case option == "-s":
		case (option == "-p" || option == "-t" || option == "-n" || option == "-u" || option == "-d") && len(rest) > 0:
			if option == "-p" {
				prompt = rest[0]
			} else if option == "-n" {
				limit, _ = strconv.Atoi(rest[0])
			}
			rest = rest[1:]
		default:
			s.complain(args, "illegal option %s", option)
			return 2
		}
	}
	if prompt != "" {
		fmt.Fprint(s.p.Err(), prompt)
	}
	line, ended := s.readLine(raw, limit)
	s.assignFields(line, rest, raw)
	if ended {
		return 1
	}
	return 0
}

// readLine reads a byte at a time: what stands after the line is for others to read.
func (s *shell) readLine(raw bool, limit int) (line string, ended bool) {
	var text strings.Builder
	one := make([]byte, 1)
	escaped := false
	for limit == 0 || text.Len() < limit {
		n, err := s.p.Read(one)
		if n == 0 && err != nil {
			return text.String(), true
		}
		switch {
		case escaped:
			escaped = false
			if one[0] == '\n' {
				trimmed := strings.TrimSuffix(text.String(), "\\")
				text.Reset()
				text.WriteString(trimmed)
				continue
			}
		case one[0] == '\n':
			return text.String(), false
		case one[0] == '\\' && !raw:
			escaped = true
		}
		text.WriteByte(one[0])
	}
	return text.String(), false
}

func (s *shell) assignFields(line string, names []string, raw bool) {
	if len(names) == 0 {
		names = []string{"REPLY"}
	}
	fields := expand.ReadFields(s.config(), line, len(names), raw)
	for i, name := range names {
		value := ""
		if i < len(fields) {
			value = fields[i]
		}
		s.set(name, value)
	}
}

func ulimit(s *shell, args []string) int {
	if len(args) > 1 && args[1] == "-n" {
		s.p.Printf("4096\n")
	} else {
		s.p.Printf("unlimited\n")
	}
	return 0
}

func umask(s *shell, args []string) int {
	if len(args) == 1 {
		s.p.Printf("%04o\n", posix.Umask(-1))
		return 0
	}
	if args[1] == "-S" {
		mask := ^posix.Umask(-1)
		s.p.Printf("u=%s,g=%s,o=%s\n", rwx(mask>>6), rwx(mask>>3), rwx(mask))
		return 0
	}
	mask, err := strconv.ParseUint(args[1], 8, 32)
	if err != nil {
		s.complain(args, "illegal mode: %s", args[1])
		return 1
	}
	posix.Umask(int(mask & 0o777))
	return 0
}

func rwx(bits int) string {
	var text string
	for i, letter := range "rwx" {
		if bits&(4>>i) != 0 {
			text += string(letter)
		}
	}
	return text
}

// declareWords are export and the like where the parser cannot see them, as in "$command x=1".
func declareWords(s *shell, args []string) int {
	s.status = 0
	options := ""
	for _, word := range args[1:] {
		if strings.HasPrefix(word, "-") {
			options += word[1:]
			continue
		}
		s.declareOne(args[0], options, word, nil)
	}
	return s.status
}

type namedVar struct {
	name  string
	value expand.Variable
}

func (s *shell) sortedVars() []namedVar {
	var all []namedVar
	for name, value := range s.vars {
		if value.Set && syntax.ValidName(name) {
			all = append(all, namedVar{name, value})
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].name < all[j].name })
	return all
}

func (t *traps) print(s *shell) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var names []string
	for name := range t.actions {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		s.p.Printf("trap -- %s %s\n", quote(t.actions[name]), name)
	}
}
