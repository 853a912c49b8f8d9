/**
 * A process that writes objects until it is killed, and says on stdout what was acknowledged: for store-kills.test.ts.
 * Usage: node test-writer.ts FILE ROUND
 */
import { writeSync } from 'node:fs';
import { Store } from './store.ts';

const [file = '', round = ''] = process.argv.slice(2);
const NAMES = 20;

const store = new Store(file);
for (let index = 0; ; index += 1) {
  const name = `o${index % NAMES}`;
  const key = { resource: 'configmaps', namespace: 'default', name };
  // Each third write is a deletion, so that the log has all kinds of changes.
  const isDeletion = index % 3 === 2 && store.get(key) !== undefined;
  const value = `${round}-${index}`;
  if (isDeletion) store.remove(key);
  else
    store.put(key, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' }, data: { value } });
  writeSync(1, `${store.revision} ${isDeletion ? 'DELETED' : value} ${name}\n`);
}
