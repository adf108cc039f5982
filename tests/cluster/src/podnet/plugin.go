package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

// Where agent and plugin meet, on the node.
const socketPath = "/run/podnet/podnet.sock"

// An attachment tells the agent that a pod's sandbox got (or gave back) its address.
type attachment struct {
	Attached  bool
	PodUID    string
	Container string
	IP        string
}

// plugin is the last in the chain of CNI plugins: it tells the agent the address of a new pod and waits until the pod's
// policies are in force. So a pod is never unprotected, and its peers' rules know its address before its first process runs;
// from the API the agent would learn the address up to a second later.
func plugin(command string, stdin io.Reader, stdout io.Writer) error {
	var config struct {
		CNIVersion string          `json:"cniVersion"`
		PrevResult json.RawMessage `json:"prevResult"`
	}
	if err := json.NewDecoder(stdin).Decode(&config); err != nil {
		return err
	}
	arguments := map[string]string{}
	for _, pair := range strings.Split(os.Getenv("CNI_ARGS"), ";") {
		name, value, _ := strings.Cut(pair, "=")
		arguments[name] = value
	}
	a := attachment{PodUID: arguments["K8S_POD_UID"], Container: os.Getenv("CNI_CONTAINERID")}
	switch command {
	case "VERSION":
		_, err := io.WriteString(stdout, `{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}`)
		return err
	case "ADD":
		var result struct {
			IPs []struct {
				Address string `json:"address"`
			} `json:"ips"`
		}
		if err := json.Unmarshal(config.PrevResult, &result); err != nil || len(result.IPs) == 0 {
			return errors.New("no address from the plugin before")
		}
		a.Attached = true
		a.IP, _, _ = strings.Cut(result.IPs[0].Address, "/")
		if err := tell(a); err != nil {
			return err
		}
		_, err := stdout.Write(config.PrevResult)
		return err
	case "DEL":
		_ = tell(a) // the agent forgets the pod anyway when it is gone from the API
	}
	return nil
}

// tell passes an attachment to the agent and waits for its answer: an empty line, or what failed.
func tell(a attachment) error {
	connection, err := net.DialTimeout("unix", socketPath, 2*time.Second)
	if err != nil {
		return fmt.Errorf("the network agent of this node does not answer: %w", err)
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(15 * time.Second)); err != nil {
		return err
	}
	if err := json.NewEncoder(connection).Encode(a); err != nil {
		return err
	}
	answer, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		return fmt.Errorf("the network agent of this node: %w", err)
	}
	if answer != "\n" {
		return errors.New(strings.TrimSpace(answer))
	}
	return nil
}
