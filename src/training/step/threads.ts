/** How many threads a run uses unless it is told. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/**
 * The cores that this process may really use: those that its affinity allows, or fewer where a
 * container's quota (cgroup v2 `cpu.max`, or v1) gives less time than that.
 */
export function usableCores(): number {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(quota() + 0.5)));
}

/** Processors' worth of time that the container may use; infinite where nothing limits it. */
function quota(): number {
  const [most, period] = read('/sys/fs/cgroup/cpu.max')?.split(' ') ?? [
    read('/sys/fs/cgroup/cpu/cpu.cfs_quota_us'),
    read('/sys/fs/cgroup/cpu/cpu.cfs_period_us'),
  ];
  const cores = Number(most) / Number(period);
  return cores > 0 ? cores : Number.POSITIVE_INFINITY;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined; // no such limit on this system
  }
}
