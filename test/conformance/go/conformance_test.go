// Package conformance is Kubernetes' own suite of node specs as one test binary: test/e2e/common/{node,storage,network}
// of k8s.io/kubernetes, which every conformant node passes, without the packages that test the rest of a cluster.
//
// The specs are not changed. What is added is about running them: a time-out for each, so that one that waits for what
// never comes does not hold up the others, and a line of JSON for each as soon as it has ended.
package conformance

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"
	"k8s.io/component-base/logs"
	// The specs: it imports the packages network, node and storage.
	commontest "k8s.io/kubernetes/test/e2e/common"
	"k8s.io/kubernetes/test/e2e/framework"
	"k8s.io/kubernetes/test/e2e/framework/config"
	e2enode "k8s.io/kubernetes/test/e2e/framework/node"

	// Constants of the specs' labels, to be complete before the flags are read.
	_ "k8s.io/kubernetes/test/e2e/feature"

	_ "k8s.io/kubernetes/test/e2e/framework/debug/init"
	_ "k8s.io/kubernetes/test/e2e/framework/metrics/init"
	_ "k8s.io/kubernetes/test/e2e/framework/node/init"
	_ "k8s.io/kubernetes/test/utils/format"
)

var (
	specTimeout = flag.Duration("spec-timeout", 5*time.Minute, "How long the body of one spec may take.")
	resultsFile = flag.String("results", "", "File to which a line of JSON is appended for every spec that ended.")
)

// How long the nodes have to become schedulable before the first spec.
const nodesTimeout = 2 * time.Minute

func TestMain(m *testing.M) {
	config.CopyFlags(config.Flags, flag.CommandLine)
	framework.RegisterCommonFlags(flag.CommandLine)
	framework.RegisterClusterFlags(flag.CommandLine)
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "unknown arguments: %s\n", flag.Args())
		os.Exit(2)
	}
	framework.AfterReadingAllFlags(&framework.TestContext)
	os.Exit(m.Run())
}

func TestConformance(t *testing.T) {
	logs.InitLogs()
	defer logs.FlushLogs()
	gomega.RegisterFailHandler(framework.Fail)
	suiteConfig, reporterConfig := framework.CreateGinkgoConfig()
	reportResults()
	ginkgo.RunSpecs(t, "Kubernetes node conformance", suiteConfig, reporterConfig)
}

var _ = ginkgo.SynchronizedBeforeSuite(func(ctx context.Context) {
	client, err := framework.LoadClientset()
	framework.ExpectNoError(err, "loading the client")
	framework.ExpectNoError(e2enode.WaitForAllNodesSchedulable(ctx, client, nodesTimeout))
}, func(context.Context) {
	commontest.CurrentSuite = commontest.E2E
	framework.TestContext.IPFamily = "ipv4"
})
