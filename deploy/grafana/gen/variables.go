package main

import "strings"

// fill writes the selectors of the variables out: $sel of a machine, $svc of services on it.
func fill(expr string) string {
	return strings.NewReplacer("$sel", `job=~"$job", instance=~"$instance"`, "$svc", `job=~"$job", instance=~"$instance", service=~"$service"`).Replace(expr)
}

func datasourceVariable() obj {
	return obj{
		"type": "datasource", "name": "datasource", "label": "Data source", "description": "The Prometheus that scrapes Control Center",
		"query": "prometheus", "regex": "", "refresh": 1, "hide": 0, "includeAll": false, "multi": false, "options": []obj{},
	}
}

func queryVariable(name, label, description, query string, many bool) obj {
	v := obj{
		"type": "query", "name": name, "label": label, "description": description, "datasource": source(),
		"query": obj{"qryType": 1, "query": fill(query), "refId": "PrometheusVariableQueryEditor-VariableQuery"},
		"regex": "", "refresh": 2, "sort": 1, "hide": 0, "includeAll": many, "multi": many, "options": []obj{},
	}
	if many {
		v["allValue"] = ".*"
		v["current"] = obj{"selected": true, "text": []string{"All"}, "value": []string{"$__all"}}
	}
	return v
}

// machine is the variables of a dashboard that shows one machine.
func machine() []obj {
	return []obj{
		datasourceVariable(),
		queryVariable("job", "Job", "Scrape job of Control Center in Prometheus", `label_values(controlcenter_build_info, job)`, true),
		queryVariable("instance", "Machine", "The scraped address", `label_values(controlcenter_build_info{job=~"$job"}, instance)`, false),
	}
}

// machines is the variables of a dashboard that shows several.
func machines() []obj {
	v := machine()
	v[2] = queryVariable("instance", "Machine", "The scraped addresses", `label_values(controlcenter_build_info{job=~"$job"}, instance)`, true)
	return v
}

// withServices adds the choice of services.
func withServices(v []obj) []obj {
	return append(v, queryVariable("service", "Service", "Services and jobs", `label_values(controlcenter_service_info{$sel}, service)`, true))
}
