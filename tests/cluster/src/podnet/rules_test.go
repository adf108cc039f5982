package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

var (
	testPods = []pod{
		{Namespace: "a", Name: "web", IP: "10.0.0.1", Labels: labels.Set{"app": "web"}, Ports: []v1.ContainerPort{{Name: "http", ContainerPort: 8080}}, Local: true},
		{Namespace: "a", Name: "db", IP: "10.0.0.2", Labels: labels.Set{"app": "db"}, Ports: []v1.ContainerPort{{Name: "sql", ContainerPort: 5432}}, Local: true},
		{Namespace: "b", Name: "client", IP: "10.0.0.3", Labels: labels.Set{"app": "client"}, Local: false},
		{Namespace: "dns", Name: "dns", IP: "10.0.0.4", Labels: labels.Set{"k8s-app": "kube-dns"}, Local: false},
	}
	testNamespaces = map[string]labels.Set{"a": {"team": "one"}, "b": {"team": "two"}, "dns": {"name": "dns"}}
)

func selector(pairs ...string) *metav1.LabelSelector {
	s := &metav1.LabelSelector{MatchLabels: map[string]string{}}
	for i := 0; i < len(pairs); i += 2 {
		s.MatchLabels[pairs[i]] = pairs[i+1]
	}
	return s
}

func port(value intstr.IntOrString, protocol v1.Protocol) netv1.NetworkPolicyPort {
	return netv1.NetworkPolicyPort{Port: &value, Protocol: &protocol}
}

func TestAllowed(t *testing.T) {
	last := int32(90)
	portRange := port(intstr.FromInt32(80), v1.ProtocolTCP)
	portRange.EndPort = &last
	for name, test := range map[string]struct {
		ingress []netv1.NetworkPolicyIngressRule
		egress  []netv1.NetworkPolicyEgressRule
		want    []string
	}{
		"nothing":           {want: nil},
		"everything":        {egress: []netv1.NetworkPolicyEgressRule{{}}, want: []string{""}},
		"pods of the same":  {ingress: []netv1.NetworkPolicyIngressRule{{From: []netv1.NetworkPolicyPeer{{PodSelector: selector("app", "db")}}}}, want: []string{"ip saddr { 10.0.0.2 } "}},
		"whole namespace":   {egress: []netv1.NetworkPolicyEgressRule{{To: []netv1.NetworkPolicyPeer{{PodSelector: selector()}}}}, want: []string{"ip daddr { 10.0.0.1, 10.0.0.2 } "}},
		"other namespace":   {ingress: []netv1.NetworkPolicyIngressRule{{From: []netv1.NetworkPolicyPeer{{NamespaceSelector: selector("team", "two")}}}}, want: []string{"ip saddr { 10.0.0.3 } "}},
		"every namespace":   {ingress: []netv1.NetworkPolicyIngressRule{{From: []netv1.NetworkPolicyPeer{{NamespaceSelector: selector(), PodSelector: selector("app", "client")}}}}, want: []string{"ip saddr { 10.0.0.3 } "}},
		"no such pod":       {ingress: []netv1.NetworkPolicyIngressRule{{From: []netv1.NetworkPolicyPeer{{PodSelector: selector("app", "none")}}}}, want: nil},
		"dns only":          {egress: []netv1.NetworkPolicyEgressRule{{To: []netv1.NetworkPolicyPeer{{NamespaceSelector: selector("name", "dns"), PodSelector: selector("k8s-app", "kube-dns")}}, Ports: []netv1.NetworkPolicyPort{port(intstr.FromInt32(53), v1.ProtocolUDP), port(intstr.FromInt32(53), v1.ProtocolTCP)}}}, want: []string{"ip daddr { 10.0.0.4 } udp dport 53 ", "ip daddr { 10.0.0.4 } tcp dport 53 "}},
		"block less a part": {egress: []netv1.NetworkPolicyEgressRule{{To: []netv1.NetworkPolicyPeer{{IPBlock: &netv1.IPBlock{CIDR: "0.0.0.0/0", Except: []string{"10.0.0.0/8"}}}}}}, want: []string{"ip daddr 0.0.0.0/0 ip daddr != { 10.0.0.0/8 } "}},
		"IPv6 block":        {egress: []netv1.NetworkPolicyEgressRule{{To: []netv1.NetworkPolicyPeer{{IPBlock: &netv1.IPBlock{CIDR: "::/0"}}}}}, want: nil},
		"port range":        {ingress: []netv1.NetworkPolicyIngressRule{{Ports: []netv1.NetworkPolicyPort{portRange}}}, want: []string{"tcp dport 80-90 "}},
		"named port here":   {ingress: []netv1.NetworkPolicyIngressRule{{Ports: []netv1.NetworkPolicyPort{port(intstr.FromString("http"), v1.ProtocolTCP)}}}, want: []string{"ip daddr 10.0.0.1 tcp dport 8080 "}},
		"named port there":  {egress: []netv1.NetworkPolicyEgressRule{{To: []netv1.NetworkPolicyPeer{{PodSelector: selector("app", "db")}}, Ports: []netv1.NetworkPolicyPort{port(intstr.FromString("sql"), v1.ProtocolTCP)}}}, want: []string{"ip daddr { 10.0.0.2 } ip daddr 10.0.0.2 tcp dport 5432 "}},
	} {
		t.Run(name, func(t *testing.T) {
			policy := &netv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "p"}}
			policy.Spec.Ingress, policy.Spec.Egress = test.ingress, test.egress
			direction := netv1.PolicyTypeEgress
			if test.ingress != nil {
				direction = netv1.PolicyTypeIngress
			}
			got, err := allowed(policy, direction, testPods[:1], testPods, testNamespaces)
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestOnlySelectedLocalPodsAreIsolated(t *testing.T) {
	policies := []*netv1.NetworkPolicy{
		{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "db"}, Spec: netv1.NetworkPolicySpec{PodSelector: *selector("app", "db"), PolicyTypes: []netv1.PolicyType{netv1.PolicyTypeIngress}}},
		{ObjectMeta: metav1.ObjectMeta{Namespace: "b", Name: "all"}, Spec: netv1.NetworkPolicySpec{PolicyTypes: []netv1.PolicyType{netv1.PolicyTypeEgress}}},
	}
	text, err := ruleset("10.0.0.0/8", testPods, testNamespaces, policies)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ip daddr vmap { 10.0.0.2 : jump pod_1_ingress }", "jump policy_0_ingress\n  drop"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if strings.Contains(text, "saddr vmap") {
		t.Errorf("a pod of another node is filtered here:\n%s", text)
	}
}

func TestAnAddressBelongsToOnePod(t *testing.T) {
	now := time.Now()
	object := func(name, ip string, age time.Duration) *v1.Pod {
		return &v1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), CreationTimestamp: metav1.NewTime(now.Add(-age))},
			Status:     v1.PodStatus{PodIP: ip, Phase: v1.PodRunning},
		}
	}
	completed := object("completed", "10.0.0.9", 0)
	completed.Status.Phase = v1.PodSucceeded
	for name, test := range map[string]struct {
		objects  []*v1.Pod
		attached map[string]attachment
		want     string
	}{
		"attached wins":                {[]*v1.Pod{object("old", "10.0.0.9", 0), object("new", "", time.Hour)}, map[string]attachment{"new": {IP: "10.0.0.9"}}, "new"},
		"the younger wins":             {[]*v1.Pod{object("young", "10.0.0.9", 0), object("old", "10.0.0.9", time.Hour)}, nil, "young"},
		"an ended pod gave it back":    {[]*v1.Pod{completed, object("running", "10.0.0.9", time.Hour)}, nil, "running"},
		"attached before the API says": {[]*v1.Pod{object("new", "", 0)}, map[string]attachment{"new": {IP: "10.0.0.9"}}, "new"},
	} {
		t.Run(name, func(t *testing.T) {
			got := known(test.objects, test.attached, "node")
			if len(got) != 1 || got[0].Name != test.want || got[0].IP != "10.0.0.9" {
				t.Errorf("got %+v, want %s", got, test.want)
			}
		})
	}
}
