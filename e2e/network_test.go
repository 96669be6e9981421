package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// network has a namespace of its own for each process, joined by a bridge, so that packets between any two can be cut.
type network struct {
	t     *testing.T
	mark  string            // in the names of what it makes
	hosts map[string]string // address by process name
	links []string
}

// newNetwork makes namespaces for names. It skips the test where that is not allowed.
func newNetwork(t *testing.T, names ...string) *network {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("network namespaces need root")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed: apt-get install iproute2 nftables", tool)
		}
	}
	n := &network{t: t, mark: fmt.Sprintf("q%d", os.Getpid()%100000), hosts: map[string]string{}}
	if out, err := exec.Command("ip", "link", "add", n.mark, "type", "bridge").CombinedOutput(); err != nil {
		t.Skipf("no bridge can be made here: %v: %s", err, out)
	}
	t.Cleanup(func() {
		for _, link := range n.links { // or they go some time after their namespace, and the next test meets them
			exec.Command("ip", "link", "del", link).Run()
		}
		for name := range n.hosts {
			exec.Command("ip", "netns", "del", n.space(name)).Run()
		}
		exec.Command("ip", "link", "del", n.mark).Run()
	})
	n.run("ip", "addr", "add", "10.77.0.254/24", "dev", n.mark)
	n.run("ip", "link", "set", n.mark, "up")
	for i, name := range names {
		n.join(name, i+1)
	}
	return n
}

func (n *network) space(name string) string { return n.mark + "-" + name }

func (n *network) join(name string, i int) {
	space, outer, address := n.space(name), fmt.Sprintf("%sv%d", n.mark, i), fmt.Sprintf("10.77.0.%d", i)
	n.run("ip", "netns", "add", space)
	n.hosts[name] = address
	n.run("ip", "link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", space)
	n.links = append(n.links, outer)
	n.run("ip", "link", "set", outer, "master", n.mark, "up")
	n.in(name, "ip", "addr", "add", address+"/24", "dev", "eth0")
	n.in(name, "ip", "link", "set", "eth0", "up")
	n.in(name, "ip", "link", "set", "lo", "up")
	n.in(name, "nft", "add table inet cuts; add chain inet cuts in { type filter hook input priority 0; }; add chain inet cuts out { type filter hook output priority 0; }")
}

func (n *network) run(words ...string) {
	n.t.Helper()
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		n.t.Fatalf("%s: %v: %s", strings.Join(words, " "), err, out)
	}
}

// before are the words that have a process run in its namespace.
func (n *network) before(name string) []string { return []string{"ip", "netns", "exec", n.space(name)} }

func (n *network) in(name string, words ...string) {
	n.t.Helper()
	n.run(append(n.before(name), words...)...)
}

// mute drops what goes from one to the other.
func (n *network) mute(from, to string) {
	n.t.Helper()
	n.in(from, "nft", "add", "rule", "inet", "cuts", "out", "ip", "daddr", n.hosts[to], "drop")
}

// cut drops what goes between two.
func (n *network) cut(a, b string) {
	n.t.Helper()
	n.mute(a, b)
	n.mute(b, a)
}

// lose drops a share of all packets that reach a process.
func (n *network) lose(name string, percent int) {
	n.t.Helper()
	n.in(name, "nft", "add", "rule", "inet", "cuts", "in", "numgen", "random", "mod", "100", "<", fmt.Sprint(percent), "drop")
}

// reset answers a share of the packets between two with resets.
func (n *network) reset(from, to string, percent int) {
	n.t.Helper()
	n.in(from, "nft", "add", "rule", "inet", "cuts", "out", "ip", "daddr", n.hosts[to], "tcp", "flags", "&", "(syn|rst)", "==", "0",
		"numgen", "random", "mod", "1000", "<", fmt.Sprint(percent), "reject", "with", "tcp", "reset")
}

// mend lets everything through.
func (n *network) mend() {
	n.t.Helper()
	for name := range n.hosts {
		n.in(name, "nft", "flush", "table", "inet", "cuts")
	}
}

// spread starts coordinators and workers, each in its namespace, with TLS as addresses off loopback need it.
func spread(t *testing.T, l *ledger, coordinators, workers int) (*rig, *network) {
	t.Helper()
	var names, addresses []string
	for i := range coordinators {
		names = append(names, fmt.Sprintf("c%d", i+1))
	}
	for i := range workers {
		names = append(names, fmt.Sprintf("w%d", i+1))
	}
	n := newNetwork(t, names...)
	var hosts []string
	for _, name := range names {
		hosts = append(hosts, n.hosts[name])
	}
	for _, host := range hosts[:coordinators] {
		addresses = append(addresses, host+":7071")
	}
	r := rigAt(t, l, addresses)
	r.credentials = newCredentials(t, strings.Join(hosts, ","))
	r.before = n.before
	r.begin(t)
	for i := range workers {
		name := fmt.Sprintf("w%d", i+1)
		r.workers = append(r.workers, r.startWorker(t, name, n.hosts[name]+":7081"))
	}
	return r, n
}
