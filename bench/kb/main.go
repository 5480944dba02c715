package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
)

func say(format string, a ...any) { fmt.Fprintf(os.Stderr, "bench: "+format+"\n", a...) }

func main() {
	dir := flag.String("dir", "", "")
	flag.Parse()
	if flag.Arg(0) == "gen" {
		for _, n := range []string{"small", "large"} {
			c, _ := list(*dir + "/" + n)
			df, _ := vocabulary(c)
			var q, k []query
			var err error
			q, err = latencyQueries(c, df, 150)
			if err != nil {
				panic(err)
			}
			if n == "small" {
				k, err = knownItems(c, df, 500)
				if err != nil {
					panic(err)
				}
			}
			b, _ := json.Marshal(append(q, k...))
			os.WriteFile(*dir+"/"+n+".json", b, 0o644)
		}
		return
	}
	if flag.Arg(0) == "show" {
		var m map[string]*reply
		json.NewDecoder(os.Stdin).Decode(&m)
		for k, r := range m {
			l := r.latencies()
			fmt.Printf("%-18s p50 %8v p99 %8v  found %d/%d  mrr %.3f  %6.0f/s open %.3f\n", k, l.Quantile(.5), l.Quantile(.99), r.Found, len(r.Micros), r.mrr(), r.PerSec, r.OpenSec)
		}
		return
	}
	if err := child(context.Background(), flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
