//! Fuel of a store: how much its guests may still execute. What is counted, and where it runs out: [`trjit_module::fuel`].
//!
//! Code counts down a signed number in `VmStore`. What does not fit there is the store's reserve; at a thousand million instructions a second the number lasts for 292 years, so nobody
//! refills it from the reserve while code runs.

use crate::context::{StoreContext, StoreContextMut};
use crate::engine::Config;
use crate::error::Error;
use crate::host::Caller;
use crate::store::{Store, StoreInner};
use trjit_module::TrapCode;

impl Config {
    /// Sets whether guests consume fuel: see [`Store::set_fuel`]. Code that counts is code of its own: caches must have been assembled for it.
    pub fn consume_fuel(&mut self, enable: bool) -> &mut Config {
        self.settings.fuel = enable;
        self
    }
}

impl StoreInner {
    /// Whether guests of this store consume fuel.
    pub fn consumes_fuel(&self) -> bool {
        self.engine.settings().fuel
    }

    fn get_fuel(&self) -> Result<u64, Error> {
        if self.consumes_fuel() { Ok(self.fuel_left()) } else { Err(Error::FuelNotConsumed) }
    }

    fn set_fuel(&mut self, fuel: u64) -> Result<(), Error> {
        if !self.consumes_fuel() {
            return Err(Error::FuelNotConsumed);
        }
        self.refill(fuel);
        Ok(())
    }

    /// Nothing is left where straight code has overdrawn.
    fn fuel_left(&self) -> u64 {
        self.fuel_reserve.saturating_add_signed(self.vm.fuel)
    }

    fn refill(&mut self, fuel: u64) {
        let active = i64::try_from(fuel).unwrap_or(i64::MAX);
        self.vm.fuel = active;
        self.fuel_reserve = fuel - active.unsigned_abs();
    }

    /// Charges a bulk operation for its bytes or elements.
    pub fn charge_bulk(&mut self, units: u64) -> Result<(), TrapCode> {
        if !self.consumes_fuel() {
            return Ok(());
        }
        let left = self.fuel_left().saturating_sub(units);
        self.refill(left);
        if left == 0 { Err(TrapCode::OutOfFuel) } else { Ok(()) }
    }
}

impl<T> Store<T> {
    /// What guests may still consume. An error where the engine's do not consume fuel: [`Config::consume_fuel`].
    pub fn get_fuel(&self) -> Result<u64, Error> {
        self.shared().get_fuel()
    }

    /// Sets what guests may consume from now on; a store begins with nothing. Most instructions cost 1, and so does entering a function; `block`, `loop`, `else`, `end`,
    /// `return`, `unreachable`, `nop` and `drop` cost nothing; bulk operations also cost 1 for each byte or element. When all is consumed the guest traps with
    /// `TrapCode::OutOfFuel` at the next function, loop or bulk operation that it enters. An error where the engine's guests do not consume fuel.
    pub fn set_fuel(&mut self, fuel: u64) -> Result<(), Error> {
        self.exclusive().set_fuel(fuel)
    }
}

impl<T> StoreContext<'_, T> {
    /// See [`Store::get_fuel`].
    pub fn get_fuel(&self) -> Result<u64, Error> {
        // SAFETY: the context borrows the store.
        unsafe { (*self.inner).get_fuel() }
    }
}

impl<T> StoreContextMut<'_, T> {
    /// See [`Store::get_fuel`].
    pub fn get_fuel(&self) -> Result<u64, Error> {
        // SAFETY: the context borrows the store.
        unsafe { (*self.inner).get_fuel() }
    }

    /// See [`Store::set_fuel`].
    pub fn set_fuel(&mut self, fuel: u64) -> Result<(), Error> {
        // SAFETY: the context borrows the store mutably.
        unsafe { (*self.inner).set_fuel(fuel) }
    }
}

impl<T> Caller<'_, T> {
    /// See [`Store::get_fuel`]: all that the guest has executed is counted.
    pub fn get_fuel(&self) -> Result<u64, Error> {
        // SAFETY: the caller borrows the store.
        unsafe { (*self.inner()).get_fuel() }
    }

    /// See [`Store::set_fuel`]: what a host function takes for its own work, or gives.
    pub fn set_fuel(&mut self, fuel: u64) -> Result<(), Error> {
        // SAFETY: the caller borrows the store mutably.
        unsafe { (*self.inner()).set_fuel(fuel) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;

    fn store(fuel: bool) -> Store<()> {
        Store::new(&Engine::new(Config::new().consume_fuel(fuel)), ()).unwrap()
    }

    #[test]
    fn every_amount_is_kept() {
        let mut store = store(true);
        assert_eq!(store.get_fuel().unwrap(), 0);
        let most = i64::MAX.unsigned_abs();
        for fuel in [0, 1, most - 1, most, most + 1, u64::MAX - 1, u64::MAX] {
            store.set_fuel(fuel).unwrap();
            assert_eq!(store.get_fuel().unwrap(), fuel);
        }
    }

    #[test]
    fn overdrawn_is_nothing_left() {
        let mut store = store(true);
        store.exclusive().vm.fuel = -5;
        assert_eq!(store.get_fuel().unwrap(), 0);
        store.set_fuel(3).unwrap();
        assert_eq!(store.get_fuel().unwrap(), 3);
    }

    #[test]
    fn bulk_operations_take_from_the_reserve_too() {
        let mut store = store(true);
        store.set_fuel(u64::MAX).unwrap();
        assert_eq!(store.exclusive().charge_bulk(u64::MAX - 1), Ok(()));
        assert_eq!(store.get_fuel().unwrap(), 1);
        assert_eq!(store.exclusive().charge_bulk(u64::MAX), Err(TrapCode::OutOfFuel));
        assert_eq!(store.get_fuel().unwrap(), 0);
        assert_eq!(store.exclusive().charge_bulk(0), Err(TrapCode::OutOfFuel));
    }

    #[test]
    fn engines_without_fuel_have_none() {
        let mut store = store(false);
        assert!(matches!(store.get_fuel(), Err(Error::FuelNotConsumed)));
        assert!(matches!(store.set_fuel(1), Err(Error::FuelNotConsumed)));
        assert_eq!(store.exclusive().charge_bulk(u64::MAX), Ok(()));
    }
}
