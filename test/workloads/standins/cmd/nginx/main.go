// nginx serves the files of /usr/share/nginx/html on port 80 by nginx's command line, and nothing of its configuration.
package main

import (
	"fmt"
	"net/http"
	"os"

	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/applets"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/proc"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/signals"
	"github.com/wasmlet/wasmlet/test/workloads/standins/internal/sock"
)

const (
	version = "nginx version: nginx/1.27.0"
	root    = "/usr/share/nginx/html"
	port    = 80
)

func nginx(p *proc.Proc) int {
	if len(p.Args) > 1 && (p.Args[1] == "-v" || p.Args[1] == "-V") {
		fmt.Fprintln(p.Err(), version)
		return 0
	}
	arrived := signals.Notify(3, 15)
	listener, err := sock.Listen(fmt.Sprintf(":%d", port))
	if err != nil {
		fmt.Fprintf(p.Err(), "nginx: [emerg] bind() to 0.0.0.0:%d failed (%v)\n", port, err)
		return 1
	}
	files := http.FileServer(http.Dir(root))
	ended := make(chan error, 1)
	go func() {
		ended <- http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Server", "nginx/1.27.0")
			recorded := &recorder{ResponseWriter: w, status: http.StatusOK}
			files.ServeHTTP(recorded, r)
			p.Printf("%s - - \"%s %s %s\" %d %d\n", r.RemoteAddr, r.Method, r.URL.RequestURI(), r.Proto, recorded.status, recorded.size)
		}))
	}()
	select {
	case err := <-ended:
		fmt.Fprintf(p.Err(), "nginx: [emerg] %v\n", err)
		return 1
	case <-arrived:
		return 0
	}
}

// recorder notes an answer for the access log.
type recorder struct {
	http.ResponseWriter
	status, size int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(data []byte) (int, error) {
	n, err := r.ResponseWriter.Write(data)
	r.size += n
	return n, err
}

func main() {
	programs := applets.Programs()
	programs["nginx"] = nginx
	os.Exit((&proc.System{Programs: programs}).MainProgram("nginx", os.Args))
}
