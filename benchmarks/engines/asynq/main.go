// asynq: a worker, and a producer with the modes of inside/python/producer.py. Every option that is not set here is
// its default.
package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/hibiken/asynq"
)

const (
	task = "noop"
	poll = 10 * time.Millisecond // of an idle worker: at its default of a second a single job waits half of one
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	at, err := url.Parse(os.Getenv("REDIS_URL"))
	if err != nil {
		return err
	}
	redis := asynq.RedisClientOpt{Addr: at.Host, PoolSize: goroutines + number("BENCH_CONCURRENCY")}
	if len(arguments) > 0 && arguments[0] == "worker" {
		return work(redis)
	}
	return produce(redis, arguments)
}

func work(redis asynq.RedisClientOpt) error {
	config := asynq.Config{
		Concurrency:       number("BENCH_CONCURRENCY"),
		LogLevel:          asynq.WarnLevel,
		TaskCheckInterval: poll,
	}
	meter := newMeter()
	handlers := asynq.NewServeMux()
	handlers.HandleFunc(task, func(context.Context, *asynq.Task) error {
		meter.ran()
		meter.block()
		return nil
	})
	return asynq.NewServer(redis, config).Run(handlers)
}

func number(name string) int {
	found, err := strconv.Atoi(os.Getenv(name))
	if err != nil {
		return 0
	}
	return found
}
