// Package network has the programs that reach over the network: wget, curl, nc, nslookup.
package network

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/sock"
)

// Programs by name.
func Programs() map[string]proc.Main {
	return map[string]proc.Main{"wget": wget, "curl": curl, "nc": nc, "nslookup": nslookup}
}

const (
	maxRedirects   = 10
	defaultTimeout = 30 * time.Second
)

type response struct {
	status int
	line   string
	header textproto.MIMEHeader
	body   io.Reader
	close  func() error
}

// request is one HTTP/1.0 request: the answer ends with its connection, so it has no chunks.
type request struct {
	method, url, body string
	headers           []string
	timeout           time.Duration
}

func (r request) do(ctx context.Context) (*response, error) {
	target := r.url
	if !strings.Contains(target, "://") {
		target = "http://" + target
	}
	address, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	if address.Scheme != "http" {
		return nil, fmt.Errorf("not an http url: %s", r.url)
	}
	port := address.Port()
	if port == "" {
		port = "80"
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	conn, err := sock.Dial(ctx, "tcp", net.JoinHostPort(address.Hostname(), port))
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(r.timeout)); err != nil {
		return nil, err
	}
	if err := r.write(conn, address); err != nil {
		conn.Close()
		return nil, err
	}
	answer, err := read(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return answer, nil
}

func (r request) write(conn net.Conn, address *url.URL) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s HTTP/1.0\r\nHost: %s\r\nUser-Agent: Wget\r\nAccept: */*\r\nConnection: close\r\n", r.method, address.RequestURI(), address.Host)
	for _, header := range r.headers {
		text.WriteString(header + "\r\n")
	}
	if r.body != "" {
		fmt.Fprintf(&text, "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n", len(r.body))
	}
	text.WriteString("\r\n" + r.body)
	_, err := io.WriteString(conn, text.String())
	return err
}

func read(conn net.Conn) (*response, error) {
	buffered := bufio.NewReader(conn)
	reader := textproto.NewReader(buffered)
	line, err := reader.ReadLine()
	if err != nil {
		return nil, err
	}
	fields := strings.SplitN(line, " ", 3)
	if len(fields) < 2 || !strings.HasPrefix(fields[0], "HTTP/") {
		return nil, fmt.Errorf("bad HTTP response")
	}
	status, err := strconv.Atoi(fields[1])
	if err != nil {
		return nil, fmt.Errorf("bad HTTP response")
	}
	header, err := reader.ReadMIMEHeader()
	if err != nil {
		return nil, err
	}
	var body io.Reader = buffered
	if length, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64); err == nil {
		body = io.LimitReader(buffered, length)
	}
	return &response{status, line, header, body, conn.Close}, nil
}

// follow does a request and goes where it is sent.
func (r request) follow(ctx context.Context) (*response, error) {
	for range maxRedirects {
		answer, err := r.do(ctx)
		if err != nil {
			return nil, err
		}
		location := answer.header.Get("Location")
		if answer.status < 300 || answer.status > 399 || location == "" {
			return answer, nil
		}
		_ = answer.close()
		from, err := url.Parse(r.url)
		if err != nil {
			return nil, err
		}
		to, err := from.Parse(location)
		if err != nil {
			return nil, err
		}
		r.url = to.String()
	}
	return nil, fmt.Errorf("too many redirections")
}

// words splits the arguments of a program into options and operands. takes has the options with a value.
func words(args []string, takes string, option func(name, value string)) (operands []string) {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case strings.HasPrefix(arg, "--"):
			name, value, ok := strings.Cut(arg[2:], "=")
			if !ok && strings.Contains(takes, "--"+name+" ") && len(args) > 0 {
				value, args = args[0], args[1:]
			}
			option(name, value)
		case len(arg) > 1 && arg[0] == '-':
			for i := 1; i < len(arg); i++ {
				if !strings.Contains(takes, "-"+arg[i:i+1]+" ") {
					option(arg[i:i+1], "")
					continue
				}
				value := arg[i+1:]
				if value == "" && len(args) > 0 {
					value, args = args[0], args[1:]
				}
				option(arg[i:i+1], value)
				break
			}
		default:
			operands = append(operands, arg)
		}
	}
	return operands
}

func duration(text string) time.Duration {
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || seconds <= 0 {
		return defaultTimeout
	}
	return time.Duration(seconds * float64(time.Second))
}

func wget(p *proc.Proc) int {
	r := request{method: "GET", timeout: defaultTimeout}
	output, quiet, spider := "", false, false
	urls := words(p.Args[1:], "-O -T -t -U -Y -P --header --timeout --tries --post-data --output-document ", func(name, value string) {
		switch name {
		case "O", "output-document":
			output = value
		case "q", "quiet":
			quiet = true
		case "T", "timeout":
			r.timeout = duration(value)
		case "header":
			r.headers = append(r.headers, value)
		case "post-data":
			r.method, r.body = "POST", value
		case "spider":
			spider = true
		}
	})
	if len(urls) == 0 {
		p.Errorf("missing URL")
		return 1
	}
	r.url = urls[0]
	answer, err := r.follow(p.Context())
	if err != nil {
		p.Errorf("can't connect to remote host: %s", proc.Message(err))
		return 1
	}
	defer answer.close()
	if answer.status >= 400 {
		p.Errorf("server returned error: %s", answer.line)
		return 1
	}
	if spider {
		return 0
	}
	if output == "" {
		output = path.Base(strings.SplitN(r.url, "?", 2)[0])
		if strings.HasSuffix(r.url, "/") || !strings.Contains(strings.TrimPrefix(r.url, "http://"), "/") {
			output = "index.html"
		}
	}
	return save(p, answer, output, quiet)
}

func save(p *proc.Proc, answer *response, output string, quiet bool) int {
	out := p.Out()
	if output != "-" {
		file, err := p.Create(output, os.O_TRUNC)
		if err != nil {
			return p.Fail(err)
		}
		defer file.Close()
		out = file
	}
	if _, err := io.Copy(out, answer.body); err != nil {
		return p.Fail(err)
	}
	if !quiet {
		fmt.Fprintf(p.Err(), "'%s' saved\n", output)
	}
	return 0
}

func curl(p *proc.Proc) int {
	r := request{method: "GET", timeout: defaultTimeout}
	output, format := "-", ""
	quiet, showErrors, failing, head, include, follow := false, false, false, false, false, false
	urls := words(p.Args[1:], "-o -X -d -H -m -w -A --connect-timeout --max-time --output --request --data --header --write-out --retry ", func(name, value string) {
		switch name {
		case "o", "output":
			output = value
		case "X", "request":
			r.method = value
		case "d", "data":
			r.body = value
			if r.method == "GET" {
				r.method = "POST"
			}
		case "H", "header":
			r.headers = append(r.headers, value)
		case "m", "max-time", "connect-timeout":
			r.timeout = duration(value)
		case "w", "write-out":
			format = value
		case "s", "silent":
			quiet = true
		case "S", "show-error":
			showErrors = true
		case "f", "fail":
			failing = true
		case "I", "head":
			r.method, head = "HEAD", true
		case "i", "include":
			include = true
		case "L", "location":
			follow = true
		}
	})
	if len(urls) == 0 {
		p.Errorf("no URL specified!")
		return 2
	}
	r.url = urls[0]
	do := r.do
	if follow {
		do = r.follow
	}
	answer, err := do(p.Context())
	if err != nil {
		if !quiet || showErrors {
			fmt.Fprintf(p.Err(), "curl: (7) Failed to connect: %s\n", err)
		}
		return 7
	}
	defer answer.close()
	if failing && answer.status >= 400 {
		if !quiet || showErrors {
			fmt.Fprintf(p.Err(), "curl: (22) The requested URL returned error: %d\n", answer.status)
		}
		return 22
	}
	if head || include {
		p.Printf("%s\r\n", answer.line)
		for name, values := range answer.header {
			p.Printf("%s: %s\r\n", name, strings.Join(values, ", "))
		}
		p.Printf("\r\n")
	}
	code := 0
	if !head {
		code = save(p, answer, output, true)
	}
	if format != "" {
		p.Printf("%s", strings.NewReplacer("%{http_code}", strconv.Itoa(answer.status), `\n`, "\n").Replace(format))
	}
	return code
}

// nc connects standard input and output with a peer, or with the first that connects.
func nc(p *proc.Proc) int {
	network, listens, zero := "tcp", false, false
	port := ""
	timeout := time.Duration(0)
	operands := words(p.Args[1:], "-w -p -i -s ", func(name, value string) {
		switch name {
		case "u":
			network = "udp"
		case "l":
			listens = true
		case "z":
			zero = true
		case "p":
			port = value
		case "w":
			timeout = duration(value)
		}
	})
	conn, err := ncConnect(p, network, listens, port, timeout, operands)
	if err != nil {
		p.Errorf("%s", proc.Message(err))
		return 1
	}
	defer conn.Close()
	if zero {
		return 0
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(connWriter{p}, conn)
	}()
	_, _ = io.Copy(conn, ncInput{p})
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	if network == "udp" || timeout > 0 {
		_ = conn.SetReadDeadline(time.Now().Add(max(timeout, time.Second)))
	}
	<-done
	return 0
}

// ncInput and connWriter pass errors on instead of ending the process from another goroutine.
type ncInput struct{ p *proc.Proc }

func (n ncInput) Read(b []byte) (int, error) { return n.p.Files[0].Read(n.p.Context(), b) }

type connWriter struct{ p *proc.Proc }

func (c connWriter) Write(b []byte) (int, error) { return c.p.Files[1].Write(c.p.Context(), b) }

func ncConnect(p *proc.Proc, network string, listens bool, port string, timeout time.Duration, operands []string) (net.Conn, error) {
	if listens {
		if port == "" && len(operands) > 0 {
			port = operands[len(operands)-1]
		}
		listener, err := sock.Listen(":" + port)
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		return listener.Accept()
	}
	if len(operands) < 2 {
		return nil, fmt.Errorf("usage: nc HOST PORT")
	}
	ctx := p.Context()
	if timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		ctx = limited
	}
	return sock.Dial(ctx, network, net.JoinHostPort(operands[0], operands[1]))
}

func nslookup(p *proc.Proc) int {
	operands := words(p.Args[1:], "", func(string, string) {})
	if len(operands) == 0 {
		p.Errorf("usage: nslookup HOST")
		return 1
	}
	addresses, err := sock.Lookup(p.Context(), operands[0])
	if err != nil {
		p.Errorf("can't resolve '%s'", operands[0])
		return 1
	}
	for _, address := range addresses {
		p.Printf("Name:\t%s\nAddress: %s\n", operands[0], address)
	}
	return 0
}
