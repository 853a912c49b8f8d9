package conformance

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
	"k8s.io/kubernetes/test/e2e/framework"
)

// One line of the results file: either how many specs there will be, or how one ended.
type result struct {
	Total   int     `json:"total,omitempty"`
	Name    string  `json:"name,omitempty"`
	File    string  `json:"file,omitempty"`
	State   string  `json:"state,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
	Reason  string  `json:"reason,omitempty"`
	Where   string  `json:"where,omitempty"`
	Serial  bool    `json:"serial,omitempty"`
	Process int     `json:"process,omitempty"`
	Output  string  `json:"output,omitempty"`
}

// The end of a failed spec's output: what the framework dumps about the pods and their events is there.
const outputLimit = 32 * 1024

// To be called before the run but after the flags were read: then the framework previews the tree, for which ginkgo
// uses up the nodes that were registered until then, and reports every spec as passed.
func reportResults() {
	ginkgo.ReportBeforeSuite(func(report ginkgo.Report) {
		write(result{Total: report.PreRunStats.SpecsThatWillRun})
	})
	ginkgo.ReportAfterEach(reportSpec)
}

func reportSpec(report ginkgo.SpecReport) {
	// A spec that no filter chose has no message; one that skips itself says why.
	if report.State.Is(types.SpecStateSkipped|types.SpecStatePending) && report.Failure.Message == "" {
		return
	}
	ended := result{
		Name:    report.FullText(),
		File:    filepath.Base(report.FileName()),
		State:   report.State.String(),
		Seconds: report.RunTime.Seconds(),
		Reason:  report.Failure.Message,
		Serial:  report.IsSerial,
		Process: report.ParallelProcess,
	}
	if report.Failed() {
		ended.Where = report.FailureLocation().String()
		output := report.CapturedGinkgoWriterOutput
		ended.Output = output[max(0, len(output)-outputLimit):]
	}
	write(ended)
}

// All processes append to one file: a single write each, so that lines do not mix.
func write(line result) {
	if *resultsFile == "" {
		return
	}
	data, err := json.Marshal(line)
	framework.ExpectNoError(err, "encoding a result")
	file, err := os.OpenFile(*resultsFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	framework.ExpectNoError(err, "opening the results file")
	defer file.Close()
	_, err = file.Write(append(data, '\n'))
	framework.ExpectNoError(err, "writing a result")
}
