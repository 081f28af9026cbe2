/** Random models that a page of `web` trains have the checkpoints of `run --portable`. */
import { createHash } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { inChromium, START_TRAINER } from '../bench/exported.js';
import { chromiumMissing } from '../support/browser.js';
import type { Workplace } from '../support/cli.js';
import { exportCases } from '../support/export-cases.js';
import type { Figures } from './figures.js';

/** SHA-256 of the checkpoints of the run that Node trains. */
export async function digestsOfNode(
  work: Workplace,
  config: string,
  ...settings: string[]
): Promise<string[]> {
  const given = ['run', config, '--portable', '--output', work.folder(), '--json', ...settings];
  const { stdout, stderr } = await work.cellrun(...given);
  if (stdout === '') throw new Error(stderr);
  return checkpointDigests(JSON.parse(stdout).directory);
}

/** SHA-256 of the checkpoints of a run, in the order of their names. */
export function checkpointDigests(directory: string): string[] {
  const index = JSON.parse(readFileSync(join(directory, 'checkpoints/index.json'), 'utf8'));
  const names: string[] = index.checkpoints.map(({ file }: { file: string }) => file).sort();
  return names.map(name =>
    createHash('sha256')
      .update(readFileSync(join(directory, 'checkpoints', name)))
      .digest('hex'),
  );
}

/** Trains all configs of a site as its page does; digests, or why there are none, by config. */
const CODE = `${START_TRAINER}
  return await new Promise(resolve => {
    const found = {};
    let digests;
    let number = -1;
    trainer.onmessage = ({ data }) => {
      if (data.kind === 'report') digests = Object.values(data.digests);
      if (data.kind === 'problems') digests = data.problems;
      if (data.kind !== 'state' || !['ready', 'paused', 'ended'].includes(data.state)) return;
      if (number >= 0) found[site.configs[number]] = digests;
      number++;
      if (number === site.configs.length) return resolve(found);
      const config = site.configs[number];
      trainer.postMessage({ kind: 'train', config, text: site.texts[config] });
    };
    trainer.postMessage({ kind: 'open', site, address: location.origin + '/' });
  });`;

/** @param numbers of the random models */
export async function tryPages(work: Workplace, seed: number, numbers: readonly number[]): Promise<Figures> {
  const missing = chromiumMissing();
  if (missing !== undefined) return { what: 'models in pages', cases: 0, failures: [], note: missing };
  const make = exportCases(work, seed);
  const folder = work.folder();
  const cases = numbers.map(number => {
    const { name, config } = make(number);
    const { dataset } = config as { dataset: { path: string } };
    const path = basename(dataset.path);
    copyFileSync(dataset.path, join(folder, path));
    const file = join(folder, `${number}.json`);
    writeFileSync(file, JSON.stringify({ ...config, dataset: { ...dataset, path } }));
    return { name, file };
  });
  const site = work.folder();
  const { code, stderr } = await work.cellrun('web', ...cases.map(({ file }) => file), '--output', site);
  if (code !== 0) throw new Error(stderr);
  const found = await inChromium<Readonly<Record<string, unknown>>>([site], CODE);
  const failures: string[] = [];
  for (const { name, file } of cases) {
    const [ours, expected] = [found[basename(file)], await digestsOfNode(work, file)];
    if (JSON.stringify(ours) !== JSON.stringify(expected))
      failures.push(`${name}: ${JSON.stringify(ours)} instead of ${JSON.stringify(expected)}`);
  }
  return { what: 'models in pages', cases: cases.length, failures };
}
