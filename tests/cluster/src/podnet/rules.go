package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// A pod is what the rules need to know of one: Ports are its named ports, Local tells whether it is on this node.
type pod struct {
	Namespace, Name, IP string
	Labels              labels.Set
	Ports               []v1.ContainerPort
	Local               bool
}

// ruleset is the whole nftables table for one node, as text: loaded in one transaction, it replaces the one before.
//
// Each policy is one chain for each of its directions, which accepts what it allows. A pod that is selected by at least one
// policy has a chain that asks those policies and then drops. Egress is judged before ingress, in base chains of their own,
// because an accept ends only the base chain that it is in. Traffic from the node itself is never filtered: the kubelet
// must reach its pods.
func ruleset(podSubnet string, pods []pod, namespaces map[string]labels.Set, policies []*netv1.NetworkPolicy) (string, error) {
	pods = slices.Clone(pods)
	slices.SortFunc(pods, func(a, b pod) int { return cmp.Compare(a.IP, b.IP) })
	policies = slices.Clone(policies)
	slices.SortFunc(policies, func(a, b *netv1.NetworkPolicy) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	selectedBy := map[string]map[netv1.PolicyType][]string{} // pod IP -> direction -> chains of its policies
	var chains strings.Builder
	for n, policy := range policies {
		selector, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector)
		if err != nil {
			return "", fmt.Errorf("policy %s/%s: %w", policy.Namespace, policy.Name, err)
		}
		var selected []pod
		for _, p := range pods {
			if p.Local && p.Namespace == policy.Namespace && selector.Matches(p.Labels) {
				selected = append(selected, p)
			}
		}
		if len(selected) == 0 {
			continue
		}
		for _, direction := range policy.Spec.PolicyTypes {
			matches, err := allowed(policy, direction, selected, pods, namespaces)
			if err != nil {
				return "", fmt.Errorf("policy %s/%s: %w", policy.Namespace, policy.Name, err)
			}
			name := fmt.Sprintf("policy_%d_%s", n, strings.ToLower(string(direction)))
			fmt.Fprintf(&chains, " chain %s {\n  comment \"%s/%s\"\n", name, policy.Namespace, policy.Name)
			for _, match := range matches {
				chains.WriteString("  " + match + "accept\n")
			}
			chains.WriteString(" }\n")
			for _, p := range selected {
				if selectedBy[p.IP] == nil {
					selectedBy[p.IP] = map[netv1.PolicyType][]string{}
				}
				selectedBy[p.IP][direction] = append(selectedBy[p.IP][direction], name)
			}
		}
	}
	verdicts := map[netv1.PolicyType][]string{}
	for n, p := range pods {
		for _, direction := range []netv1.PolicyType{netv1.PolicyTypeEgress, netv1.PolicyTypeIngress} {
			names := selectedBy[p.IP][direction]
			if len(names) == 0 {
				continue
			}
			name := fmt.Sprintf("pod_%d_%s", n, strings.ToLower(string(direction)))
			// nothing can keep a pod from itself
			fmt.Fprintf(&chains, " chain %s {\n  comment \"%s/%s\"\n  ip saddr %s ip daddr %s accept\n", name, p.Namespace, p.Name, p.IP, p.IP)
			for _, policy := range names {
				fmt.Fprintf(&chains, "  jump %s\n", policy)
			}
			chains.WriteString("  drop\n }\n")
			verdicts[direction] = append(verdicts[direction], p.IP+" : jump "+name)
		}
	}
	var b strings.Builder
	b.WriteString("table inet podnet\ndelete table inet podnet\ntable inet podnet {\n")
	b.WriteString(chains.String())
	for _, base := range []struct {
		name, hook, priority, address string
		direction                     netv1.PolicyType
	}{
		{"egress", "forward", "filter - 1", "saddr", netv1.PolicyTypeEgress},
		{"egress_to_node", "input", "filter - 1", "saddr", netv1.PolicyTypeEgress},
		{"ingress", "forward", "filter", "daddr", netv1.PolicyTypeIngress},
	} {
		fmt.Fprintf(&b, " chain %s {\n  type filter hook %s priority %s; policy accept;\n  ct state established,related accept\n", base.name, base.hook, base.priority)
		if len(verdicts[base.direction]) > 0 {
			fmt.Fprintf(&b, "  ip %s vmap { %s }\n", base.address, strings.Join(verdicts[base.direction], ", "))
		}
		b.WriteString(" }\n")
	}
	fmt.Fprintf(&b, " chain postrouting {\n  type nat hook postrouting priority srcnat; policy accept;\n  ip saddr %s ip daddr != %s masquerade\n }\n}\n", podSubnet, podSubnet)
	return b.String(), nil
}

// allowed is what a policy lets pass in one direction: nftables matches, each ending with a blank or empty ("everything").
func allowed(policy *netv1.NetworkPolicy, direction netv1.PolicyType, selected, pods []pod, namespaces map[string]labels.Set) ([]string, error) {
	type rule struct {
		peers []netv1.NetworkPolicyPeer
		ports []netv1.NetworkPolicyPort
	}
	var rules []rule
	match := "saddr"
	if direction == netv1.PolicyTypeIngress {
		for _, r := range policy.Spec.Ingress {
			rules = append(rules, rule{r.From, r.Ports})
		}
	} else {
		match = "daddr"
		for _, r := range policy.Spec.Egress {
			rules = append(rules, rule{r.To, r.Ports})
		}
	}
	var matches []string
	for _, r := range rules {
		receivers := selected
		if direction == netv1.PolicyTypeEgress {
			receivers = pods
		}
		if len(r.peers) == 0 {
			matches = append(matches, portMatches(r.ports, receivers)...)
			continue
		}
		for _, peer := range r.peers {
			var addresses string
			if peer.IPBlock != nil {
				if strings.Contains(peer.IPBlock.CIDR, ":") {
					continue // pods have no IPv6 here
				}
				addresses = fmt.Sprintf("ip %s %s ", match, peer.IPBlock.CIDR)
				if len(peer.IPBlock.Except) > 0 {
					addresses += fmt.Sprintf("ip %s != { %s } ", match, strings.Join(peer.IPBlock.Except, ", "))
				}
			} else {
				others, err := peers(peer, policy.Namespace, pods, namespaces)
				if err != nil {
					return nil, err
				}
				if len(others) == 0 {
					continue
				}
				if direction == netv1.PolicyTypeEgress {
					receivers = others
				}
				addresses = fmt.Sprintf("ip %s %s ", match, addressSet(others))
			}
			for _, port := range portMatches(r.ports, receivers) {
				matches = append(matches, addresses+port)
			}
		}
	}
	return matches, nil
}

// peers are the pods that a peer with selectors means, seen from a policy's namespace.
func peers(peer netv1.NetworkPolicyPeer, namespace string, pods []pod, namespaces map[string]labels.Set) ([]pod, error) {
	everywhere, podSelector := labels.Nothing(), labels.Everything()
	var err error
	if peer.NamespaceSelector != nil {
		if everywhere, err = metav1.LabelSelectorAsSelector(peer.NamespaceSelector); err != nil {
			return nil, err
		}
	}
	if peer.PodSelector != nil {
		if podSelector, err = metav1.LabelSelectorAsSelector(peer.PodSelector); err != nil {
			return nil, err
		}
	}
	var found []pod
	for _, p := range pods {
		if peer.NamespaceSelector == nil && p.Namespace != namespace {
			continue
		}
		if peer.NamespaceSelector != nil && !everywhere.Matches(namespaces[p.Namespace]) {
			continue
		}
		if podSelector.Matches(p.Labels) {
			found = append(found, p)
		}
	}
	return found, nil
}

func addressSet(pods []pod) string {
	addresses := make([]string, len(pods))
	for i, p := range pods {
		addresses[i] = p.IP
	}
	return "{ " + strings.Join(addresses, ", ") + " }"
}

// portMatches are the matches for a rule's ports; none given means all. A named port is looked up in the pods that receive.
func portMatches(ports []netv1.NetworkPolicyPort, receivers []pod) []string {
	if len(ports) == 0 {
		return []string{""}
	}
	var matches []string
	for _, port := range ports {
		protocol := v1.ProtocolTCP
		if port.Protocol != nil {
			protocol = *port.Protocol
		}
		l4 := strings.ToLower(string(protocol))
		switch {
		case port.Port == nil:
			matches = append(matches, "meta l4proto "+l4+" ")
		case port.Port.Type == intstr.Int && port.EndPort != nil:
			matches = append(matches, fmt.Sprintf("%s dport %d-%d ", l4, port.Port.IntVal, *port.EndPort))
		case port.Port.Type == intstr.Int:
			matches = append(matches, fmt.Sprintf("%s dport %d ", l4, port.Port.IntVal))
		default:
			for _, receiver := range receivers {
				for _, p := range receiver.Ports {
					if p.Name == port.Port.StrVal && cmp.Or(p.Protocol, v1.ProtocolTCP) == protocol {
						matches = append(matches, fmt.Sprintf("ip daddr %s %s dport %d ", receiver.IP, l4, p.ContainerPort))
					}
				}
			}
		}
	}
	return matches
}
