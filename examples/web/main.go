// Command web serves on the first listening descriptor that it was given: the pod's first containerPort. So it is Go's
// own net/http, though WASI Preview 1 cannot open sockets.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
)

// firstListener is where the descriptors of LISTEN_FDS begin (sd_listen_fds(3)).
const firstListener = 3

func main() {
	if os.Getenv("LISTEN_FDS") == "" {
		log.Fatal("LISTEN_FDS is not set: the container declares no TCP port")
	}
	listener, err := net.FileListener(os.NewFile(firstListener, "listener"))
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		log.Printf("%s %s", r.Method, r.URL.Path)
		fmt.Fprintf(w, "Hello from Wasm: %s\n", r.URL.Path)
	})
	log.Printf("listening on %s", os.Getenv("LISTEN_FDNAMES"))
	log.Fatal(http.Serve(listener, nil))
}
