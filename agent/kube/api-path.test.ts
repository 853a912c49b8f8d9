import { expect, test } from 'vitest';
import { resourceOf } from './api-path.ts';

test.each([
  ['/api/v1/pods', 'pods'],
  ['/api/v1/nodes/a/status', 'nodes/status'],
  ['/api/v1/namespaces/a', 'namespaces'],
  ['/api/v1/namespaces/a/status', 'namespaces/status'],
  ['/api/v1/namespaces/a/pods/b', 'pods'],
  ['/api/v1/namespaces/a/serviceaccounts/b/token', 'serviceaccounts/token'],
  ['/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/a', 'leases'],
  ['/apis/authorization.k8s.io/v1/subjectaccessreviews', 'subjectaccessreviews'],
  ['/healthz', '/healthz'],
])('%s is about %s', (path, resource) => {
  expect(resourceOf(path)).toBe(resource);
});
