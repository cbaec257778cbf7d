// client URL REQUESTS CONCURRENCY
//
// net/http with room for all connections it uses; so many goroutines as may be under way. Prints how
// many answers were whole.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
)

const body = 1024

func main() {
	url := os.Args[1]
	requests, concurrency := number(os.Args[2]), number(os.Args[3])
	client := &http.Client{Transport: &http.Transport{
		MaxIdleConns:        int(concurrency),
		MaxIdleConnsPerHost: int(concurrency),
		DisableCompression:  true,
	}}
	var next, whole int64
	var workers sync.WaitGroup
	for i := int64(0); i < concurrency; i++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for atomic.AddInt64(&next, 1) <= requests {
				get(client, url)
				atomic.AddInt64(&whole, 1)
			}
		}()
	}
	workers.Wait()
	fmt.Println(whole)
}

func get(client *http.Client, url string) {
	response, err := client.Get(url)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	bytes, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 || len(bytes) != body {
		log.Fatal(response.Status, ", ", len(bytes), " bytes, ", err)
	}
}

func number(text string) int64 {
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		log.Fatal(err)
	}
	return number
}
