/**
 * Random sequences of operations on runs and sweeps; `npm run soak -- --parts invariants` runs the
 * long form.
 */
import t from 'tap';
import { createWorld, DATASET_NAMES, trySequences } from '../soak/invariants.js';
import { work } from '../support/work.js';

t.setTimeout(300_000);

for (const name of DATASET_NAMES)
  t.test(`the files of a run on ${name} stay true, whatever happens`, async t => {
    const world = await createWorld(work, name);
    t.teardown(() => world.end());
    const seed = Number(process.env.SEED ?? 17);
    const { failures, note } = await trySequences(world, Number(process.env.SEQUENCES ?? 25), seed);
    t.same(failures, [], `${note}`);
  });
