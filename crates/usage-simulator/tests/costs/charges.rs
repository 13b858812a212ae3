//! What is charged besides usage.

use usage_core::{Decimal, PicoUsd, WindowRange};
use usage_simulator::{CostCharge, Organization};

use crate::support::{all_days, by_line_item, day, days, everything, line, one};

#[test]
fn charges_are_kept_verbatim_alone_and_add_up_with_others() {
    let mut organization = Organization::new("org-charged");
    let charge = |line_item, amount| CostCharge::new(day("2025-09-02"), line_item, amount).unwrap();
    organization.charge(charge("credit", "-12.50"));
    organization.charge(
        charge("storage", "1E+1")
            .quantity("3.5", Some("gibibyte_hours"))
            .unwrap(),
    );
    organization.charge(
        charge("storage", "0.25")
            .quantity("0.5", Some("gibibyte_hours"))
            .unwrap(),
    );
    organization.charge(charge("odds", "1").quantity("1", Some("images")).unwrap());
    organization.charge(charge("odds", "2").quantity("1", Some("tokens")).unwrap());
    organization.charge(charge("unknown", "7").without_amount());
    organization.charge(charge("support", "5").currency("EUR"));
    let costs = organization.costs(one("2025-09-02"), by_line_item()).unwrap();
    assert_eq!(line(&costs, "credit").amount_text().as_deref(), Some("-12.50"));
    let storage = line(&costs, "storage");
    assert_eq!(storage.amount, Some("10.25".parse().unwrap()));
    assert_eq!(storage.quantity, Some(Decimal::from(4)));
    assert_eq!(storage.quantity_unit.as_deref(), Some("gibibyte_hours"));
    let odds = line(&costs, "odds");
    assert_eq!(
        (&odds.quantity, &odds.quantity_unit),
        (&None, &None),
        "no single unit"
    );
    assert_eq!(
        (
            &line(&costs, "unknown").amount,
            line(&costs, "unknown").amount_text()
        ),
        (&None, None)
    );
    assert_eq!(line(&costs, "support").currency, "EUR");
    assert_eq!(
        organization.cost(all_days()).unwrap().to_string(),
        "0.75",
        "euros are not added"
    );

    assert_eq!(
        organization.remove_charges(|charge| charge.line_item.as_deref() == Some("credit")),
        1
    );
    organization.charge(charge("credit", "-13"));
    assert_eq!(
        organization.cost(all_days()).unwrap().to_string(),
        "0.25",
        "restated"
    );
    assert_eq!(organization.charges().len(), 7);
    assert!(CostCharge::new(day("2025-09-02"), "credit", "12,50").is_err());
}

#[test]
fn the_extras_are_a_discount_a_credit_an_image_line_and_tax() {
    let mut organization = everything();
    let before = organization.usage_cost(all_days()).unwrap();
    let middle = organization.add_billing_extras().unwrap();
    assert_eq!(middle, day("2025-09-03"));
    let after = organization.usage_cost(all_days()).unwrap();
    assert!(PicoUsd(0) < after && after < before);
    let unchanged = days("2025-09-01", "2025-09-02");
    assert_eq!(organization.cost(unchanged), everything().cost(unchanged));

    let costs = organization
        .costs(WindowRange::days(middle, middle).unwrap(), by_line_item())
        .unwrap();
    let text = |item: &str| line(&costs, item).amount_text().unwrap();
    assert_eq!(
        ["credit", "gpt-image-1, image output", "tax"].map(text),
        ["-25.00", "1.6896", "19.90"]
    );
    assert_eq!(Organization::new("org-quiet").add_billing_extras(), None);
}
