import { describe, expect, test } from 'vitest';
import type { Service } from '../kube/types.ts';
import { serviceVariables } from './service-variables.ts';

const service = (
  namespace: string,
  name: string,
  clusterIP: string,
  ...ports: NonNullable<NonNullable<Service['spec']>['ports']>
): Service => ({ metadata: { namespace, name }, spec: { clusterIP, ports } });

const kubernetes = service('default', 'kubernetes', '10.0.0.1', { name: 'https', port: 443, protocol: 'TCP' });

const variables = (services: Service[], namespace = 'shop', enableServiceLinks = true) =>
  Object.fromEntries(serviceVariables({ services, namespace, enableServiceLinks, masterServiceNamespace: 'default' }));

describe('serviceVariables', () => {
  test('have both the Kubernetes and the Docker form', () => {
    const cart = service(
      'shop',
      'my-cart',
      '10.0.0.9',
      { name: 'http-web', port: 80 },
      { name: 'dns', port: 53, protocol: 'UDP' },
    );
    expect(variables([cart])).toEqual({
      MY_CART_SERVICE_HOST: '10.0.0.9',
      MY_CART_SERVICE_PORT: '80',
      MY_CART_SERVICE_PORT_HTTP_WEB: '80',
      MY_CART_SERVICE_PORT_DNS: '53',
      MY_CART_PORT: 'tcp://10.0.0.9:80',
      MY_CART_PORT_80_TCP: 'tcp://10.0.0.9:80',
      MY_CART_PORT_80_TCP_PROTO: 'tcp',
      MY_CART_PORT_80_TCP_PORT: '80',
      MY_CART_PORT_80_TCP_ADDR: '10.0.0.9',
      MY_CART_PORT_53_UDP: 'udp://10.0.0.9:53',
      MY_CART_PORT_53_UDP_PROTO: 'udp',
      MY_CART_PORT_53_UDP_PORT: '53',
      MY_CART_PORT_53_UDP_ADDR: '10.0.0.9',
    });
  });

  test('put IPv6 addresses in brackets where a port follows', () => {
    const six = variables([service('shop', 'six', 'fd00::1', { port: 80 })]);
    expect(six['SIX_PORT']).toBe('tcp://[fd00::1]:80');
    expect(six['SIX_SERVICE_HOST']).toBe('fd00::1');
  });

  test("are of the pod's namespace and of the master service, which no pod goes without", () => {
    const services = [
      kubernetes,
      service('shop', 'own', '10.0.0.2', { port: 1 }),
      service('other', 'far', '10.0.0.3', { port: 1 }),
    ];
    const hosts = (all: Record<string, string>) => Object.keys(all).filter((name) => name.endsWith('_SERVICE_HOST'));
    expect(hosts(variables(services))).toEqual(['KUBERNETES_SERVICE_HOST', 'OWN_SERVICE_HOST']);
    expect(hosts(variables(services, 'shop', false))).toEqual(['KUBERNETES_SERVICE_HOST']);
    expect(hosts(variables(services, 'default', false))).toEqual(['KUBERNETES_SERVICE_HOST']);
  });

  test("prefer a service of the pod's namespace that has the master service's name", () => {
    const own = service('shop', 'kubernetes', '10.0.0.7', { port: 1 });
    for (const services of [
      [kubernetes, own],
      [own, kubernetes],
    ]) {
      expect(variables(services)['KUBERNETES_SERVICE_HOST']).toBe('10.0.0.7');
      expect(variables(services, 'shop', false)['KUBERNETES_SERVICE_HOST']).toBe('10.0.0.1');
    }
  });

  test('leave out services without an address', () => {
    expect(variables([service('shop', 'headless', 'None', { port: 1 }), service('shop', 'external', '')])).toEqual({});
  });
});
