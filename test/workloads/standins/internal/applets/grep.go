package applets

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
)

// basicToExtended rewrites a basic regular expression as an extended one.
func basicToExtended(basic string) string {
	var out strings.Builder
	for i := 0; i < len(basic); i++ {
		b := basic[i]
		switch {
		case b == '\\' && i+1 < len(basic):
			i++
			if strings.IndexByte("(){}|+?", basic[i]) >= 0 {
				out.WriteByte(basic[i])
			} else {
				out.WriteByte('\\')
				out.WriteByte(basic[i])
			}
		case b == '[':
			end := bracketEnd(basic, i)
			out.WriteString(basic[i:end])
			i = end - 1
		case strings.IndexByte("(){}|+?", b) >= 0, b == '*' && i == 0:
			out.WriteByte('\\')
			out.WriteByte(b)
		default:
			out.WriteByte(b)
		}
	}
	return out.String()
}

// bracketEnd is where a bracket expression that starts at from ends.
func bracketEnd(expression string, from int) int {
	i := from + 1
	for i < len(expression) && (expression[i] == '^' || expression[i] == ']') && i <= from+2 {
		i++
	}
	for i < len(expression) {
		if strings.HasPrefix(expression[i:], "[:") {
			if end := strings.Index(expression[i:], ":]"); end > 0 {
				i += end + 2
				continue
			}
		}
		if expression[i] == ']' {
			return i + 1
		}
		i++
	}
	return len(expression)
}

// extended makes Go's expressions of POSIX' extended ones: what differs are the word anchors.
func extended(expression string) string {
	return strings.NewReplacer(`\<`, `\b`, `\>`, `\b`).Replace(expression)
}

type grepping struct {
	p       *proc.Proc
	o       *options
	matcher *regexp.Regexp
	names   bool
	found   bool
}

func grep(p *proc.Proc) int {
	long := map[string]byte{
		"regexp": 'e', "file": 'f', "ignore-case": 'i', "invert-match": 'v', "count": 'c', "quiet": 'q', "silent": 'q',
		"extended-regexp": 'E', "fixed-strings": 'F', "line-number": 'n', "recursive": 'r', "only-matching": 'o',
		"files-with-matches": 'l', "word-regexp": 'w', "line-regexp": 'x', "no-messages": 's', "max-count": 'm',
		"after-context": 'A', "before-context": 'B', "text": 'a',
	}
	o := parse(p, "e:f:ivcqEFPGnrRolLwxsm:A:B:C:hHa", long)
	if p.Args[0] == "egrep" {
		o.put('E', "")
	} else if p.Args[0] == "fgrep" {
		o.put('F', "")
	}
	matcher, err := grepMatcher(p, o)
	if err != nil {
		p.Errorf("bad regex: %s", err)
		return 2
	}
	g := &grepping{p: p, o: o, matcher: matcher}
	files, code := g.files()
	g.names = (len(files) > 1 || o.has('r') || o.has('R') || o.has('H')) && !o.has('h')
	for _, name := range files {
		if err := g.file(name); err != nil {
			code = 2
			if !o.has('s') {
				p.Errorf("%s", proc.Message(err))
			}
		}
	}
	if g.found {
		if o.has('q') {
			return 0
		}
		return code
	}
	return max(code, 1)
}

func grepMatcher(p *proc.Proc, o *options) (*regexp.Regexp, error) {
	patterns := o.all['e']
	for _, name := range o.all['f'] {
		lines, _ := allLines(p, []string{name})
		patterns = append(patterns, lines...)
	}
	if len(o.all['e']) == 0 && len(o.all['f']) == 0 {
		need(p, o.args, 1)
		patterns, o.args = []string{o.args[0]}, o.args[1:]
	}
	var parts []string
	for _, pattern := range patterns {
		for _, line := range strings.Split(pattern, "\n") {
			switch {
			case o.has('F'):
				line = regexp.QuoteMeta(line)
			case !o.has('E') && !o.has('P'):
				line = extended(basicToExtended(line))
			default:
				line = extended(line)
			}
			parts = append(parts, "(?:"+line+")")
		}
	}
	text := strings.Join(parts, "|")
	if o.has('w') {
		text = `\b(?:` + text + `)\b`
	}
	if o.has('x') {
		text = `^(?:` + text + `)$`
	}
	if o.has('i') {
		text = "(?i)" + text
	}
	return regexp.Compile(text)
}

func (g *grepping) files() (files []string, code int) {
	if !g.o.has('r') && !g.o.has('R') {
		if len(g.o.args) == 0 {
			return []string{"-"}, 0
		}
		return g.o.args, 0
	}
	roots := g.o.args
	if len(roots) == 0 {
		roots = []string{"."}
	}
	for _, root := range roots {
		full := g.p.Path(root)
		err := filepath.WalkDir(full, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if !entry.IsDir() {
				files = append(files, root+strings.TrimPrefix(path, full))
			}
			return nil
		})
		if err != nil {
			g.p.Errorf("%s", proc.Message(err))
			code = 2
		}
	}
	return files, code
}

func (g *grepping) file(name string) error {
	in, err := g.p.Input(name)
	if err != nil {
		return err
	}
	defer in.Close()
	shown := name
	if name == "-" {
		shown = "(standard input)"
	}
	limit := -1
	if g.o.has('m') {
		limit, _ = strconv.Atoi(g.o.set['m'])
	}
	c := g.context()
	count, number := 0, 0
	err = eachLine(in, func(line string) error {
		number++
		if limit == 0 {
			return nil
		}
		if g.matcher.MatchString(line) == g.o.has('v') {
			c.miss(shown, number, line)
			return nil
		}
		count++
		limit--
		g.found = true
		if g.o.has('q') {
			g.p.Exit(0)
		}
		if !g.o.has('c') && !g.o.has('l') && !g.o.has('L') {
			c.hit(shown, number, line)
		}
		return nil
	})
	g.summary(shown, count)
	return err
}

func (g *grepping) summary(name string, count int) {
	switch {
	case g.o.has('l'):
		if count > 0 {
			g.p.Printf("%s\n", name)
		}
	case g.o.has('L'):
		if count == 0 {
			g.p.Printf("%s\n", name)
		}
	case g.o.has('c'):
		if g.names {
			g.p.Printf("%s:", name)
		}
		g.p.Printf("%d\n", count)
	}
}

// grepContext shows the lines around those that match.
type grepContext struct {
	g             *grepping
	before, after int
	kept          []string
	left, shown   int
}

func (g *grepping) context() *grepContext {
	number := func(letter byte) int {
		n, _ := strconv.Atoi(g.o.set[letter])
		around, _ := strconv.Atoi(g.o.set['C'])
		return max(n, around)
	}
	return &grepContext{g: g, before: number('B'), after: number('A')}
}

func (c *grepContext) print(name string, number int, separator, line string) {
	var prefix string
	if c.g.names {
		prefix += name + separator
	}
	if c.g.o.has('n') {
		prefix += strconv.Itoa(number) + separator
	}
	c.g.p.Printf("%s%s\n", prefix, line)
	c.shown = number
}

func (c *grepContext) miss(name string, number int, line string) {
	if c.left > 0 {
		c.left--
		c.print(name, number, "-", line)
		return
	}
	if c.before > 0 {
		if c.kept = append(c.kept, line); len(c.kept) > c.before {
			c.kept = c.kept[1:]
		}
	}
}

func (c *grepContext) hit(name string, number int, line string) {
	first := number - len(c.kept)
	if (c.before > 0 || c.after > 0) && c.shown > 0 && first > c.shown+1 {
		c.g.p.Printf("--\n")
	}
	for i, kept := range c.kept {
		c.print(name, first+i, "-", kept)
	}
	c.kept = nil
	c.left = c.after
	if c.g.o.has('o') {
		for _, match := range c.g.matcher.FindAllString(line, -1) {
			if match != "" {
				c.print(name, number, ":", match)
			}
		}
		return
	}
	c.print(name, number, ":", line)
}
