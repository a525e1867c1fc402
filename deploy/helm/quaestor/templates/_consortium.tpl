{{/* Who takes part: the validators of this release and those of others, and what follows from their number. */}}

{{/*
The validators of this release as a JSON list: id, pod (its name), key (where it is, if elsewhere), keySecret, tlsSecret, clientTlsSecret.
*/}}
{{- define "quaestor.validators" -}}
{{- $given := .Values.validators }}
{{- if .Values.devnet.enabled }}
{{- $given = list }}
{{- range $number := untilStep 1 (add1 .Values.devnet.validators | int) 1 }}
{{- $given = append $given (dict "id" (printf "validator-%d" $number)) }}
{{- end }}
{{- end }}
{{- $validators := list }}
{{- range $index, $validator := $given }}
{{- $prefix := printf "%s-%s" (include "quaestor.fullname" $) (include "quaestor.dnsLabel" $validator.id) }}
{{- $tls := $validator.tlsSecret | default (printf "%s-tls" $prefix) }}
{{- $validators = append $validators (dict
      "id" $validator.id
      "pod" (printf "%s-%d" (include "quaestor.fullname" $) $index)
      "key" ($validator.key | default dict)
      "keySecret" ($validator.keySecret | default (printf "%s-key" $prefix))
      "tlsSecret" $tls
      "clientTlsSecret" ($validator.clientTlsSecret | default $tls)) }}
{{- end }}
{{- toJson $validators }}
{{- end }}

{{/* Name of a pod as other pods of the cluster find it. Takes (dict "root" $ "pod" name). */}}
{{- define "quaestor.podHost" -}}
{{ .pod }}.{{ include "quaestor.headlessName" .root }}.{{ .root.Release.Namespace }}.svc.{{ .root.Values.clusterDomain }}
{{- end }}

{{/* Validators of the whole network. */}}
{{- define "quaestor.consortiumSize" -}}
{{- $own := include "quaestor.validators" . | fromJsonArray }}
{{- if .Values.consortium.validators }}
{{- .Values.consortium.validators | int }}
{{- else }}
{{- $ids := dict }}
{{- range $own }}{{ $_ := set $ids .id true }}{{ end }}
{{- range .Values.peers }}{{ $_ := set $ids .validator true }}{{ end }}
{{- len $ids }}
{{- end }}
{{- end }}

{{/* f: validators of the network that may fail at once. */}}
{{- define "quaestor.faulty" -}}
{{- div (sub (include "quaestor.consortiumSize" . | int) 1) 3 }}
{{- end }}

{{/* CIDRs of a peer as a JSON list: those that are given, or its address if that is an IPv4 address. */}}
{{- define "quaestor.peerCidrs" -}}
{{- $host := regexReplaceAll ":[0-9]+$" .address "" }}
{{- if .cidrs }}
{{- toJson .cidrs }}
{{- else if regexMatch "^[0-9]{1,3}(\\.[0-9]{1,3}){3}$" $host }}
{{- toJson (list (printf "%s/32" $host)) }}
{{- else }}
{{- toJson list }}
{{- end }}
{{- end }}

{{/* Refuses what the schema cannot judge, because it needs two values at once. */}}
{{- define "quaestor.check" -}}
{{- $own := include "quaestor.validators" . | fromJsonArray }}
{{- if eq .Values.image.tag "latest" }}{{ fail "\n\nimage.tag: \"latest\" is another image every day; name a version, or a digest." }}{{ end }}
{{- $genesis := list }}
{{- range $field := list "content" "existingConfigMap" "existingSecret" }}
{{- if index $.Values.genesis $field }}{{ $genesis = append $genesis (printf "genesis.%s" $field) }}{{ end }}
{{- end }}
{{- if .Values.devnet.enabled }}
{{- with $genesis }}{{ fail (printf "\n\n%s: a devnet makes its own genesis. Remove it, or devnet.enabled." (join ", " .)) }}{{ end }}
{{- if .Values.validators }}{{ fail "\n\nvalidators: a devnet makes its own; say how many with devnet.validators, or remove devnet.enabled." }}{{ end }}
{{- if .Values.certManager.enabled }}{{ fail "\n\ncertManager.enabled: a devnet makes its own certificates." }}{{ end }}
{{- else }}
{{- if not $own }}
{{- if not .Values.observers.enabled }}{{ fail "\n\nvalidators: name at least one, or switch on observers.enabled or devnet.enabled." }}{{ end }}
{{- end }}
{{- if ne (len $genesis) 1 }}
{{- fail (printf "\n\ngenesis: expected exactly one of genesis.content, genesis.existingConfigMap and genesis.existingSecret; found %d." (len $genesis)) }}
{{- end }}
{{- end }}
{{- $seen := dict }}
{{- range $index, $validator := $own }}
{{- if hasKey $seen $validator.id }}{{ fail (printf "\n\nvalidators[%d].id: %q is there a second time. Two pods with one identity could contradict each other." $index $validator.id) }}{{ end }}
{{- $_ := set $seen $validator.id true }}
{{- end }}
{{- range $index, $validator := $own }}
{{- if ne (empty $validator.key) (empty (first $own).key) }}{{ fail (printf "\n\nvalidators[%d].key: either all validators of a release have their keys elsewhere, or none." $index) }}{{ end }}
{{- end }}
{{- $peers := dict }}
{{- range $index, $peer := .Values.peers }}
{{- if hasKey $peers $peer.validator }}{{ fail (printf "\n\npeers[%d].validator: %q is there a second time." $index $peer.validator) }}{{ end }}
{{- if hasKey $seen $peer.validator }}{{ fail (printf "\n\npeers[%d].validator: %q is one of the validators of this release, whose address the chart knows." $index $peer.validator) }}{{ end }}
{{- $_ := set $peers $peer.validator true }}
{{- if and $.Values.networkPolicy.enabled (not $.Values.networkPolicy.allowPeersAnywhere) (not (include "quaestor.peerCidrs" $peer | fromJsonArray)) }}
{{- fail (printf "\n\npeers[%d].cidrs: the network policy has to know where %q connects from and to. Give its networks, or set networkPolicy.allowPeersAnywhere." $index $peer.validator) }}
{{- end }}
{{- end }}
{{- if and .Values.consortium.validators (lt (.Values.consortium.validators | int) (add (len $own) (len .Values.peers) | int)) }}
{{- fail (printf "\n\nconsortium.validators: is %d, but validators and peers name %d." (.Values.consortium.validators | int) (add (len $own) (len .Values.peers))) }}
{{- end }}
{{- $faulty := include "quaestor.faulty" . | int }}
{{- if not (kindIs "invalid" .Values.podDisruptionBudget.maxUnavailable) }}
{{- if gt (.Values.podDisruptionBudget.maxUnavailable | int) $faulty }}
{{- fail (printf "\n\npodDisruptionBudget.maxUnavailable: is %d, but a network of %d validators goes on without %d at most." (.Values.podDisruptionBudget.maxUnavailable | int) (include "quaestor.consortiumSize" . | int) $faulty) }}
{{- end }}
{{- end }}
{{- if and .Values.certManager.enabled (not .Values.certManager.issuerRef.name) }}{{ fail "\n\ncertManager.issuerRef.name: name the issuer." }}{{ end }}
{{- if and (not .Values.network) (not .Values.devnet.enabled) }}{{ fail "\n\nnetwork: name the network, as its genesis does." }}{{ end }}
{{- $test := .Values.tests }}
{{- if and $test.enabled $test.member (not .Values.devnet.enabled) }}
{{- if not $test.memberSecret }}{{ fail "\n\ntests.memberSecret: name the secret with the keys of tests.member." }}{{ end }}
{{- range $field := list "from" "to" "amount" "asset" }}
{{- if not (index $test.transfer $field) }}{{ fail (printf "\n\ntests.transfer.%s: a member is to pay; say what." $field) }}{{ end }}
{{- end }}
{{- end }}
{{- if and .Values.observers.enabled .Values.observers.autoscaling.enabled (gt (.Values.observers.autoscaling.minReplicas | int) (.Values.observers.autoscaling.maxReplicas | int)) }}
{{- fail "\n\nobservers.autoscaling.minReplicas: is more than maxReplicas." }}
{{- end }}
{{- end }}
