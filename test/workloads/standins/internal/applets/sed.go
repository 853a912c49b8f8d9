package applets

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
)

// sedAddress is a line number, the last line, or an expression.
type sedAddress struct {
	line  int
	last  bool
	match *regexp.Regexp
}

type sedCommand struct {
	from, to *sedAddress
	negated  bool
	inRange  bool
	verb     byte
	match    *regexp.Regexp
	text     string
	flags    string
	nth      int
}

// sed knows s, d, p, q, a, i, c, y, = and {…} of one command, with addresses: no hold space, no labels.
func sed(p *proc.Proc) int {
	o := parse(p, "nre:Ei", map[string]byte{"quiet": 'n', "regexp-extended": 'E', "in-place": 'i', "expression": 'e'})
	scripts := o.all['e']
	if len(scripts) == 0 {
		need(p, o.args, 1)
		scripts, o.args = o.args[:1], o.args[1:]
	}
	parser := &sedParser{extended: o.has('E') || o.has('r')}
	var commands []*sedCommand
	for _, script := range scripts {
		parser.rest = script
		parsed, err := parser.commands()
		if err != nil {
			p.Errorf("%s", err)
			return 1
		}
		commands = append(commands, parsed...)
	}
	if o.has('i') {
		return sedInPlace(p, o, commands)
	}
	input, code := allLines(p, o.args)
	run := &sedRun{quiet: o.has('n'), commands: commands, lines: input, out: p.Out()}
	run.all()
	return code
}

func sedInPlace(p *proc.Proc, o *options, commands []*sedCommand) int {
	for _, name := range o.args {
		input, code := allLines(p, []string{name})
		if code != 0 {
			return code
		}
		var out bytes.Buffer
		run := &sedRun{quiet: o.has('n'), commands: commands, lines: input, out: &out}
		run.all()
		if err := os.WriteFile(p.Path(name), out.Bytes(), 0o666); err != nil {
			return p.Fail(err)
		}
	}
	return 0
}

type sedParser struct {
	rest     string
	extended bool
}

func (s *sedParser) skip(set string) { s.rest = strings.TrimLeft(s.rest, set) }

func (s *sedParser) commands() ([]*sedCommand, error) {
	var all []*sedCommand
	for {
		s.skip(" \t\n;{}")
		if s.rest == "" {
			return all, nil
		}
		if s.rest[0] == '#' {
			_, s.rest, _ = strings.Cut(s.rest, "\n")
			continue
		}
		command, err := s.command()
		if err != nil {
			return nil, err
		}
		all = append(all, command)
	}
}

func (s *sedParser) command() (*sedCommand, error) {
	command := &sedCommand{}
	var err error
	if command.from, err = s.address(); err != nil {
		return nil, err
	}
	if strings.HasPrefix(s.rest, ",") {
		s.rest = s.rest[1:]
		if command.to, err = s.address(); err != nil {
			return nil, err
		}
	}
	s.skip(" \t")
	if strings.HasPrefix(s.rest, "!") {
		command.negated = true
		s.rest = s.rest[1:]
	}
	s.skip(" \t{")
	if s.rest == "" {
		return nil, fmt.Errorf("missing command")
	}
	command.verb = s.rest[0]
	s.rest = s.rest[1:]
	switch command.verb {
	case 's':
		return command, s.substitution(command)
	case 'y':
		parts, err := s.delimited(2)
		if err != nil {
			return nil, err
		}
		command.text, command.flags = parts[0], parts[1]
		return command, nil
	case 'a', 'i', 'c':
		s.skip(" \t\\\n")
		command.text, s.rest, _ = strings.Cut(s.rest, "\n")
		return command, nil
	case 'd', 'p', 'q', '=', 'n':
		return command, nil
	}
	return nil, fmt.Errorf("unsupported command %c", command.verb)
}

func (s *sedParser) compile(text string) (*regexp.Regexp, error) {
	if !s.extended {
		text = basicToExtended(text)
	}
	return regexp.Compile(extended(text))
}

func (s *sedParser) address() (*sedAddress, error) {
	s.skip(" \t")
	digits := leading(s.rest, "0123456789", 9)
	switch {
	case digits != "":
		s.rest = s.rest[len(digits):]
		line, err := strconv.Atoi(digits)
		return &sedAddress{line: line}, err
	case strings.HasPrefix(s.rest, "$"):
		s.rest = s.rest[1:]
		return &sedAddress{last: true}, nil
	case strings.HasPrefix(s.rest, "/"):
		parts, err := s.delimited(1)
		if err != nil {
			return nil, err
		}
		match, err := s.compile(parts[0])
		return &sedAddress{match: match}, err
	}
	return nil, nil
}

// delimited reads parts that end at the same sign that stands before the first.
func (s *sedParser) delimited(count int) ([]string, error) {
	if s.rest == "" {
		return nil, fmt.Errorf("unterminated expression")
	}
	sign := s.rest[0]
	s.rest = s.rest[1:]
	var parts []string
	for range count {
		var part strings.Builder
		i := 0
		for ; i < len(s.rest) && s.rest[i] != sign; i++ {
			if s.rest[i] == '\\' && i+1 < len(s.rest) {
				i++
				if s.rest[i] == 'n' {
					part.WriteByte('\n')
					continue
				}
				if s.rest[i] != sign {
					part.WriteByte('\\')
				}
			}
			part.WriteByte(s.rest[i])
		}
		if i == len(s.rest) {
			return nil, fmt.Errorf("unterminated expression")
		}
		parts = append(parts, part.String())
		s.rest = s.rest[i+1:]
	}
	return parts, nil
}

func (s *sedParser) substitution(command *sedCommand) error {
	parts, err := s.delimited(2)
	if err != nil {
		return err
	}
	command.flags = leading(s.rest, "gpiI0123456789", 9)
	s.rest = s.rest[len(command.flags):]
	command.nth, _ = strconv.Atoi(strings.Trim(command.flags, "gpiI"))
	pattern := parts[0]
	if !s.extended {
		pattern = basicToExtended(pattern)
	}
	if strings.ContainsAny(command.flags, "iI") {
		pattern = "(?i)" + pattern
	}
	command.text = parts[1]
	command.match, err = regexp.Compile(extended(pattern))
	return err
}

type sedRun struct {
	quiet    bool
	commands []*sedCommand
	lines    []string
	at       int
	out      io.Writer
}

func (r *sedRun) all() {
	for r.at = 0; r.at < len(r.lines); r.at++ {
		if !r.one(r.lines[r.at]) {
			return
		}
	}
}

func (r *sedRun) put(line string) { fmt.Fprintln(r.out, line) }

// one runs the commands over a line; false ends all.
func (r *sedRun) one(line string) bool {
	var appended []string
	deleted, quit := false, false
	for _, command := range r.commands {
		if !r.selected(command, line) {
			continue
		}
		switch command.verb {
		case 's':
			changed, text := command.substitute(line)
			line = text
			if changed && strings.Contains(command.flags, "p") {
				r.put(line)
			}
		case 'y':
			line = transliterate(line, command.text, command.flags)
		case 'p':
			r.put(line)
		case '=':
			r.put(strconv.Itoa(r.at + 1))
		case 'a':
			appended = append(appended, command.text)
		case 'i':
			r.put(command.text)
		case 'c':
			r.put(command.text)
			deleted = true
		case 'd':
			deleted = true
		case 'q':
			quit = true
		}
		if deleted || quit {
			break
		}
	}
	if !deleted && !r.quiet {
		r.put(line)
	}
	for _, text := range appended {
		r.put(text)
	}
	return !quit
}

func (r *sedRun) meets(address *sedAddress, line string) bool {
	switch {
	case address.last:
		return r.at == len(r.lines)-1
	case address.match != nil:
		return address.match.MatchString(line)
	}
	return address.line == r.at+1
}

func (r *sedRun) selected(command *sedCommand, line string) bool {
	return r.addressed(command, line) != command.negated
}

func (r *sedRun) addressed(command *sedCommand, line string) bool {
	switch {
	case command.from == nil:
		return true
	case command.to == nil:
		return r.meets(command.from, line)
	case command.inRange:
		if r.meets(command.to, line) || command.to.line > 0 && r.at+1 >= command.to.line {
			command.inRange = false
		}
		return true
	case r.meets(command.from, line):
		command.inRange = command.to.line == 0 || command.to.line > r.at+1
		return true
	}
	return false
}

func (c *sedCommand) substitute(line string) (changed bool, result string) {
	var out strings.Builder
	end, count := 0, 0
	for _, found := range c.match.FindAllStringSubmatchIndex(line, -1) {
		count++
		if c.nth > 0 && count < c.nth {
			continue
		}
		out.WriteString(line[end:found[0]])
		out.WriteString(replacement(c.text, line, found))
		end, changed = found[1], true
		if !strings.Contains(c.flags, "g") {
			break
		}
	}
	return changed, out.String() + line[end:]
}

// replacement puts what was found for & and \1 to \9.
func replacement(text, line string, found []int) string {
	var out strings.Builder
	group := func(n int) {
		if 2*n+1 < len(found) && found[2*n] >= 0 {
			out.WriteString(line[found[2*n]:found[2*n+1]])
		}
	}
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '&':
			group(0)
		case text[i] == '\\' && i+1 < len(text):
			i++
			switch {
			case text[i] >= '0' && text[i] <= '9':
				group(int(text[i] - '0'))
			case text[i] == 't':
				out.WriteByte('\t')
			default:
				out.WriteByte(text[i])
			}
		default:
			out.WriteByte(text[i])
		}
	}
	return out.String()
}

func transliterate(line, from, to string) string {
	return strings.Map(func(r rune) rune {
		if at := strings.IndexRune(from, r); at >= 0 && at < len(to) {
			return rune(to[at])
		}
		return r
	}, line)
}
