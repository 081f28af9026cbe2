/**
 * The batch script of an array: which task is which index, how it is started, and how its end is
 * written down. Signals that reach the script alone (SIGINT: stop, SIGUSR1: the time limit is near)
 * are passed on. SIGTERM, by which Slurm ends or requeues a job, reaches every process of it, and
 * must not arrive twice: the second would end a run before its checkpoint.
 */
import { join } from 'node:path';
import type { Task } from '../launcher.js';

/** Sent to the script when the time limit is near; not what a person sends to interrupt a job. */
export const LIMIT_SIGNAL = 'USR1';

export interface ScriptPlan {
  readonly tasks: readonly Pick<Task, 'args' | 'directory'>[];
  /** Executable and first arguments of this program. */
  readonly program: readonly string[];
  /** Where the ends are written to, as `<index>.end`; absolute. */
  readonly folder: string;
}

export function batchScript({ tasks, program, folder }: ScriptPlan): string {
  const cases = tasks.map(
    ({ args, directory }, index) =>
      `${index}) lock=${quoted(join(directory, 'run.lock'))}; set -- ${args.map(quoted).join(' ')} ;;\n`,
  );
  return `#!/bin/sh
# Tasks of a sweep, one for each index of a job array. Written by cellrun.
case $SLURM_ARRAY_TASK_ID in
${cases.join('')}*) echo 'no such task' >&2; exit 2 ;;
esac
end=${quoted(folder)}/$SLURM_ARRAY_TASK_ID.end
rm -f "$end"
# Slurm alone decides who works on a run: what another machine holds is left from one that was lost.
grep -qF "\\"$(uname -n)\\"" "$lock" 2>/dev/null || rm -f "$lock"

reason=exit
stopping=
child=
pass_on() {
  stopping=1
  signalled=1
  # a background process ignores SIGINT until it says otherwise
  [ -z "$child" ] || kill -TERM "$child" 2>/dev/null
}
trap pass_on INT
trap 'reason=timeout; pass_on' ${LIMIT_SIGNAL}
trap 'reason=slurm; signalled=1' TERM

${program.map(quoted).join(' ')} "$@" </dev/null >/dev/null &
child=$!
[ -z "$stopping" ] || pass_on
code=127
while :; do
  signalled=
  wait "$child"
  status=$?
  # 127: it has been waited for before
  [ "$status" -eq 127 ] || code=$status
  # a signal also ends the waiting
  [ -n "$signalled" ] || break
done
echo "$code $reason" >"$end.part" && mv -f "$end.part" "$end"
# a run that pauses has not failed
[ "$code" -ne 130 ] || exit 0
exit "$code"
`;
}

/** As sh takes it, whatever the text holds. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
