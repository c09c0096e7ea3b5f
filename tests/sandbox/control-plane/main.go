// Command control-plane is the Kubernetes control plane of the sandbox in one
// binary: etcd, kube-apiserver, kube-controller-manager and kube-scheduler,
// each chosen by its usual name as the first argument.
//
// With APIM_SANDBOX_PARENT=stdin a component lives only as long as the process
// that holds the other end of its standard input, however that process ends.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"

	// Client and server metrics and the JSON log format register themselves,
	// as in the upstream main packages.
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
)

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	name := os.Args[1]
	// Every component parses os.Args itself and expects its own name first.
	os.Args = os.Args[1:]

	if os.Getenv("APIM_SANDBOX_PARENT") == "stdin" {
		go exitWithParent(os.Getenv("APIM_SANDBOX_DIR"))
	}

	var command *cobra.Command
	switch name {
	case "etcd":
		etcdmain.Main(os.Args)
		return
	case "kube-apiserver":
		command = apiserver.NewAPIServerCommand()
	case "kube-controller-manager":
		command = controllermanager.NewControllerManagerCommand()
	case "kube-scheduler":
		command = scheduler.NewSchedulerCommand()
	default:
		usage()
	}
	os.Exit(cli.Run(command))
}

// exitWithParent ends the process as soon as its standard input closes. The
// kernel closes it even when the parent was killed and could clean up nothing,
// so the one component that is told the sandbox directory removes it as well.
func exitWithParent(dir string) {
	_, _ = io.Copy(io.Discard, os.Stdin)
	if isSandboxDir(dir) {
		removeSandboxDir(dir)
	}
	os.Exit(0)
}

var sandboxDir = regexp.MustCompile(`/sandbox/[0-9]+-[0-9a-f]{8}$`)

// isSandboxDir guards the removal against a variable that names anything else.
func isSandboxDir(dir string) bool {
	return filepath.IsAbs(dir) && filepath.Clean(dir) == dir && sandboxDir.MatchString(dir)
}

// removeSandboxDir tries for a while, since the other components may still be
// creating files until they have noticed the end of their own input.
func removeSandboxDir(dir string) {
	for range 20 {
		_ = os.RemoveAll(dir)
		time.Sleep(50 * time.Millisecond)
		if _, err := os.Stat(dir); os.IsNotExist(err) {
			return
		}
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: control-plane etcd|kube-apiserver|kube-controller-manager|kube-scheduler [FLAG ...]")
	os.Exit(2)
}
