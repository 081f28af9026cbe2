import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { isPlaced, plants } from './plants.js';

t.test('every planted error has its place in the build', async t => {
  const build = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  const lost = plants.filter(plant => !isPlaced(build, plant)).map(({ file, find }) => `${file}: ${find}`);
  t.strictSame(lost, [], 'each text to replace is there exactly once');
});
