// Command schedules answers when Kubernetes runs a CronJob, by its own code: the
// validation of the API server, and the parser of the CronJob controller. It
// reads questions as lines of JSON and writes one answer for each.
//
// Time zones are those of the machine, so that both sides of a comparison have
// the same ones. TZ has to be UTC, as in a controller manager.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/apis/batch"
	batchvalidation "k8s.io/kubernetes/pkg/apis/batch/validation"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/util/parsers"
)

type question struct {
	Schedule string  `json:"schedule"`
	TimeZone *string `json:"timeZone"`
	// The time after which it runs.
	Seconds     int64 `json:"seconds"`
	Nanoseconds int64 `json:"nanoseconds"`
	// How many runs are asked for.
	Runs int `json:"runs"`
}

type answer struct {
	// Why the API server refuses a new CronJob, or empty.
	Refused string `json:"refused"`
	// Why the controller does not run an existing one, or empty.
	Unparseable string `json:"unparseable"`
	// The runs, fewer if the schedule has no more.
	Runs []int64 `json:"runs"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	input := json.NewDecoder(bufio.NewReader(os.Stdin))
	output := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(output)
	for {
		var asked question
		if err := input.Decode(&asked); err == io.EOF {
			return output.Flush()
		} else if err != nil {
			return err
		}
		if err := encoder.Encode(asked.answer()); err != nil {
			return err
		}
	}
}

func (asked question) answer() answer {
	answer := answer{Refused: asked.refused(), Runs: []int64{}}
	schedule, err := asked.parsed()
	if err != nil {
		answer.Unparseable = err.Error()
		return answer
	}
	at := time.Unix(asked.Seconds, asked.Nanoseconds)
	for range asked.Runs {
		at = schedule.Next(at)
		if at.IsZero() {
			break
		}
		answer.Runs = append(answer.Runs, at.Unix())
	}
	return answer
}

// refused is what the API server has against the schedule and the time zone of
// a new CronJob; the rest of the object does not matter here.
func (asked question) refused() string {
	spec := batch.CronJobSpec{
		Schedule:          asked.Schedule,
		TimeZone:          asked.TimeZone,
		ConcurrencyPolicy: batch.ForbidConcurrent,
	}
	all := batchvalidation.ValidateCronJobCreate(&batch.CronJob{Spec: spec}, corevalidation.PodValidationOptions{})
	found := field.ErrorList{}
	for _, err := range all {
		if err.Field == "spec.schedule" || err.Field == "spec.timeZone" {
			found = append(found, err)
		}
	}
	if len(found) == 0 {
		return ""
	}
	return found.ToAggregate().Error()
}

// parsed does what syncCronJob and formatSchedule do in
// k8s.io/kubernetes/pkg/controller/cronjob, which exports neither.
func (asked question) parsed() (cron.Schedule, error) {
	schedule := asked.Schedule
	if asked.TimeZone != nil {
		if _, err := time.LoadLocation(*asked.TimeZone); err != nil {
			return nil, err
		}
		if !strings.Contains(schedule, "TZ") {
			schedule = fmt.Sprintf("TZ=%s %s", *asked.TimeZone, schedule)
		}
	}
	return parsers.ParseCronScheduleWithPanicRecovery(schedule)
}
