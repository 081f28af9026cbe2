/** Describes the environment of a run. */
import type { Manifest } from '../run/manifest.js';
import { counted } from '../util/words.js';
import type { Fact } from './document.js';

export function environmentOf(manifest: Manifest | undefined): readonly Fact[] {
  if (manifest === undefined) return [];
  const { backend, machine, versions, git, datasets, seeds } = manifest;
  const facts: readonly (readonly [label: string, value: string | null])[] = [
    ['Backend', `${backend.name}: ${backend.reason}`],
    [
      'Executor',
      [backend.executor, backend.threads === null ? '' : threads(backend.threads)].filter(Boolean).join(', '),
    ],
    ['Arithmetic', backend.arithmetic],
    ['Adapter', backend.adapter],
    ['Processor', `${machine.cpu}, ${machine.cores} cores, ${Math.round(machine.memory_mb / 1024)} GiB`],
    ['System', `${machine.platform} ${machine.arch}`],
    ['Versions', `cellrun ${versions.cellrun}, Node ${versions.node}, gpu.js ${versions['gpu.js']}`],
    [
      'Source',
      git === null ? null : `${git.revision.slice(0, 12)}${git.dirty ? ', with uncommitted changes' : ''}`,
    ],
    ['Parameters', String(manifest.parameters)],
    ['Data', datasets.map(({ name, sha256 }) => `${name} (SHA-256 ${sha256.slice(0, 12)}…)`).join(', ')],
    [
      'Seeds',
      Object.entries(seeds)
        .map(([name, seed]) => `${name} ${seed}`)
        .join(', '),
    ],
    ['Config files', manifest.config_files.join(', ')],
    ['Config hash', manifest.config_hash],
    ['Command line', ['cellrun', ...manifest.command_line].map(quoted).join(' ')],
  ];
  return facts.flatMap(([label, value]) => (value === null || value === '' ? [] : [{ label, value }]));
}

function threads(count: number): string {
  return counted(count, 'thread');
}

/** Quotes a word for a shell. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
