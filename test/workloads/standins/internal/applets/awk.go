package applets

import (
	"io"
	"os"
	"strings"

	"github.com/benhoyt/goawk/interp"
	"github.com/benhoyt/goawk/parser"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
)

// awkError is the exit code of an awk that cannot go on (POSIX asks for more than 0).
const awkError = 2

// awk is POSIX awk without commands: system() and pipes would need a program beside this one.
func awk(p *proc.Proc) int {
	o := parse(p, "+F:v:f:", map[string]byte{"field-separator": 'F', "assign": 'v', "file": 'f'})
	source, code := awkSource(p, o)
	if code != 0 {
		return code
	}
	program, err := parser.ParseProgram([]byte(source), nil)
	if err != nil {
		p.Errorf("%s", err)
		return awkError
	}
	status, err := interp.ExecProgram(program, &interp.Config{
		Stdin:   p,
		Output:  p.Out(),
		Error:   p.Err(),
		Argv0:   p.Args[0],
		Args:    awkFiles(p, o.args),
		Vars:    awkVariables(o),
		NoExec:  true,
		Environ: awkEnvironment(p),
	})
	if err != nil {
		p.Errorf("%s", err)
		return awkError
	}
	return status
}

// awkSource is the program: of the files of -f, else the first operand.
func awkSource(p *proc.Proc, o *options) (source string, code int) {
	if !o.has('f') {
		need(p, o.args, 1)
		source, o.args = o.args[0], o.args[1:]
		return source, 0
	}
	code = eachInput(p, o.all['f'], func(_ string, in reader) error {
		text, err := io.ReadAll(in)
		source += string(text) + "\n"
		return err
	})
	return source, code
}

func awkVariables(o *options) []string {
	var all []string
	if o.has('F') {
		separator := o.set['F']
		if separator == "t" {
			separator = "\t"
		}
		all = append(all, "FS", separator)
	}
	for _, assignment := range o.all['v'] {
		name, value, _ := strings.Cut(assignment, "=")
		all = append(all, name, value)
	}
	return all
}

// awkFiles are the operands. The interpreter opens them itself and knows no directory but that of the whole process, so
// elsewhere they become absolute, and FILENAME with them.
func awkFiles(p *proc.Proc, names []string) []string {
	if here, err := os.Getwd(); err == nil && here == p.Dir {
		return names
	}
	var files []string
	for _, name := range names {
		if name != "-" && !strings.Contains(name, "=") {
			name = p.Path(name)
		}
		files = append(files, name)
	}
	return files
}

func awkEnvironment(p *proc.Proc) []string {
	all := []string{}
	for _, variable := range p.Env {
		name, value, _ := strings.Cut(variable, "=")
		all = append(all, name, value)
	}
	return all
}
